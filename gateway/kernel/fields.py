"""The field types of every schema: text that PostgreSQL, logs and mail can carry, ids, times.

Unknown fields are refused, and a body is never changed silently. What a type checks it also says,
as JSON Schema, in `described`: the API's description is made of that, and must never be looser.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields

METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500
# Control characters (NUL stops PostgreSQL, CR and LF forge headers) and lone surrogates.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
# The same for JSON Schema, where a string has no lone surrogates.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"


class Strict(Schema):
    """A body or a query: what it does not name is refused.

    `described` says, as JSON Schema, what holds between fields, and gives an example.
    """

    described: ClassVar[dict[str, Any]] = {}

    class Meta:
        unknown = RAISE

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        known = ", ".join(sorted(self.load_fields)) or "none"
        self.error_messages["unknown"] = f"Is not known here; known are: {known}."


class Resource(Schema):
    """What the API shows, events record and callbacks carry: one shape for all three."""


class Text(fields.String):
    """1..`longest` characters (not bytes) without control characters or lone surrogates."""

    def __init__(self, *, longest: int, pattern: str | None = None, what: str = "", **kw: Any):
        super().__init__(**kw)
        self.longest = longest
        self.pattern = re.compile(pattern) if pattern else None
        self.what = what
        self.described: dict[str, Any] = {
            "minLength": 1,
            "maxLength": longest,
            "pattern": f"^(?:{pattern})$" if pattern else PRINTABLE,
        }
        if what:
            self.described["description"] = f"{what[0].upper()}{what[1:]}."

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        check_text(text, longest=self.longest)
        if self.pattern and not self.pattern.fullmatch(text):
            raise ValidationError(f"Must be {self.what}.")
        return text


def check_text(text: str, *, longest: int) -> None:
    if not 1 <= len(text) <= longest:
        raise ValidationError(f"Must have 1 to {longest} characters; it has {len(text)}.")
    if _FORBIDDEN.search(text):
        raise ValidationError("Must not contain control characters or lone surrogates.")


class Status(Text):
    """A status of the rows of `kind`, shown or filtered by; their life cycle says which exist."""

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(longest=32, **kwargs)
        self.kind = kind
        self.described = {}  # their list says it all


class Metadata(fields.Field[dict[str, str]]):
    """Up to 50 of the merchant's own pairs: keys to 40 characters, values (strings) to 500."""

    described: ClassVar[dict[str, Any]] = {
        "type": "object",
        "description": "Your own pairs, kept and given back as they are.",
        "maxProperties": METADATA_KEYS,
        "propertyNames": {"minLength": 1, "maxLength": METADATA_KEY_LENGTH, "pattern": PRINTABLE},
        "additionalProperties": {
            "type": "string",
            "maxLength": METADATA_VALUE_LENGTH,
            "pattern": PRINTABLE,
        },
    }

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object of strings.")
        if len(value) > METADATA_KEYS:
            raise ValidationError(f"Must have at most {METADATA_KEYS} keys; it has {len(value)}.")
        for key, text in value.items():
            check_text(key, longest=METADATA_KEY_LENGTH)
            if not isinstance(text, str):
                raise ValidationError("Every value must be a string.")
            check_text(text or " ", longest=METADATA_VALUE_LENGTH)
        return value


SHOWN_PAIRS = {"additionalProperties": {"type": "string"}}  # the same, as answers have it


SHOWN_FAILURE = {
    "type": ["object", "null"],
    "properties": {"code": {"type": "string"}, "message": {"type": ["string", "null"]}},
    "required": ["code", "message"],
}


def dump_failure(row: Any) -> dict[str, str | None] | None:
    """Why a row that can fail did, or null."""
    if row.failure_code is None:
        return None
    return {"code": row.failure_code, "message": row.failure_message}


class Time(fields.AwareDateTime):
    """RFC 3339, UTC, as in 2026-01-31T09:30:00.123456Z."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else value.isoformat().replace("+00:00", "Z")


_INSTANT = (
    r"[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


class Instant(Time):
    """A time that is sent: RFC 3339 with its offset, since without one it would be a guess."""

    described: ClassVar[dict[str, Any]] = {"pattern": f"^{_INSTANT}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        return instant(value)


def instant(value: Any) -> datetime:
    """In UTC. Raises `ValidationError`."""
    if isinstance(value, str) and re.fullmatch(_INSTANT, value):
        with suppress(ValueError):  # as for February 30
            return datetime.fromisoformat(value).astimezone(UTC)
    raise ValidationError("Must be a time with its offset, such as 2026-01-31T09:30:00Z.")


class Flag(fields.Boolean):
    """A JSON boolean, and nothing that looks like one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class Limit(fields.Integer):
    """How many a page holds: 1..100, in plain digits."""

    described: ClassVar[dict[str, Any]] = {
        "description": "How many to list.",
        "minimum": 1,
        "maximum": 100,
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4
        if not digits or not 1 <= int(value) <= 100:
            raise ValidationError("Must be a whole number from 1 to 100.")
        return int(value)


class PageQuery(Strict):
    """`limit` and `starting_after`, as on every list."""

    limit = Limit(load_default=20)
    starting_after = Text(
        longest=64,
        load_default=None,
        metadata={"description": "The id that the page before ended with."},
    )
