"""The worst that has been thought of, by place: values, bodies, ids, queries, headers, methods."""

import json
from typing import Any

LONG = "x" * 70_000

VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        1.5,
        100.0,
        1e308,
        2**31,
        2**63,
        -(2**63) - 1,
        10**30,
        99_999_999,
    ),
    *("", " ", "100", "1e2", "\uff11", "1_000", "NaN", [], {}, [None], [[]], {"a": 1}, [1] * 500),
    *(
        "\u0000",
        "a\u0000b",
        "\ud800",
        "a\r\nSet-Cookie: x",
        "\u202e",
        "e" + "\u0301" * 3000,
        "\u2028",
    ),
    *("'; DROP TABLE orders; --", "<script>", "{{7*7}}", "${jndi:ldap://x}", "%s%n", "../../etc"),
    *(
        "US",
        "usdd",
        "u\u017fd",
        "EUR",
        "JPY",
        "BHD",
        "inr",
        "upi",
        "card",
        "manual",
        "*",
        "a@b",
        ".",
    ),
    *(
        "http://127.0.0.1:1/",
        "https://x@127.0.0.1",
        "//evil",
        "javascript:1",
        "https://[::1",
        "ftp:",
    ),
    *("https://shop.example:99999/", "http://\u2460.0.0.1", "x" * 64, "x" * 65, "x" * 2001, LONG),
    *(
        "ord_" + "0" * 26,
        "pay_" + "0" * 26,
        "2024-02-30",
        "-infinity",
        "\U0001f680" * 500,
        "\ufeff",
    ),
]
NAMES = [
    "",
    "__proto__",
    "constructor",
    "\u0000",
    "\ud800",
    "id",
    "status",
    "x" * 300,
    "a.b",
    "[0]",
]

BODIES: list[bytes] = [
    *(b"", b" ", b"null", b"[]", b'"x"', b"5", b"true", b"{", b"}", b"{}{}", b"\x00", b"\xff\xfe"),
    *(
        b"[" * 60_000,
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":' * 900,
        b'{"a":' * 900 + b"1" + b"}" * 900,
    ),
    *(b'{"amount": ' + b"9" * 5000 + b"}", b'{"amount": NaN}', b'{"amount": -Infinity}'),
    *(
        b'{"amount": 1e999}',
        b'{"amount": 1, "amount": 2}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
    ),
    *(b"\xef\xbb\xbf{}", json.dumps({"amount": 1}).encode("utf-16"), b"a=1&b=2", b"<?xml?>"),
    *(
        b'{"a": "' + b"x" * 65_000 + b'"}',
        b" " * 65_537,
        b'{"a":1,}',
        b'{"a": "\\u00',
        b'{"\\ud800":1}',
    ),
    json.dumps({f"k{number}": number for number in range(4000)}).encode(),
    json.dumps({"metadata": {f"k{number}": "" for number in range(4000)}}).encode(),
]

IDS: list[bytes] = [
    *(
        b"%00",
        b"a%00b",
        b"%ff",
        b"%ed%a0%80",
        b"%0d%0aX:%20y",
        b"..%2f..%2f",
        b"..",
        b".",
        b"%",
        b"%zz",
    ),
    *(
        b"x" * 129,
        b"x" * 60_000,
        b"x" * 100_000,
        b"%E2%80%AE",
        b"ord_" + b"0" * 26,
        b"'--",
        b"{{7*7}}",
    ),
    *(
        b"%20",
        b"%2f",
        b"%5c",
        b"%252e",
        b"\xc3\xa9",
        b"*",
        b"0",
        b"-1",
        b"null",
        b"%F0%9F%92%A9",
        b";a=b",
    ),
]

QUERIES: list[bytes] = [
    *(b"limit=0", b"limit=-1", b"limit=101", b"limit=100", b"limit=abc", b"limit=" + b"9" * 5000),
    *(
        b"limit=%00",
        b"limit=1&limit=2",
        b"limit=%EF%BC%91",
        b"starting_after=x",
        b"starting_after=%00",
    ),
    *(b"starting_after=ord_" + b"0" * 26, b"status=nonsense", b"status=%00", b"status=created"),
    *(b"colour=red", b"created[gte]=1e20", b"%ff=1", b"=", b"&&&", b"?", b"a" * 5000, b"a&" * 2000),
    *(
        b"order_id=%00",
        b"order_id='",
        b"reference=%ff",
        b"event_id=%F0%9F%92%A9",
        b"key=a&secret=b",
    ),
]

HEADERS: list[tuple[bytes, bytes]] = [
    *(
        (b"Authorization", value)
        for value in (b"", b"Basic", b"Basic \xe9", b"Basic !!!", b"Bearer x")
    ),
    *(
        (b"Authorization", value)
        for value in (b"Basic Og==", b"Basic /w==", b"Digest a=b", b"\xff")
    ),
    *(
        (b"X-Api-Key", value)
        for value in (b"", b"\xe9", b"key_test_\xff", b"x" * 8000, b"key_test_a")
    ),
    *((b"X-Api-Secret", value) for value in (b"", b"\xe9", b"wrong", b"x" * 8000)),
    *((b"Idempotency-Key", value) for value in (b"", b" ", b"\xe9", b"a b", b"x" * 256, b"a,b")),
    *(
        (b"Content-Type", value)
        for value in (b"", b"text/plain", b"\xff", b"application/json;=", b";")
    ),
    *(
        (b"Content-Type", value)
        for value in (
            b"multipart/form-data",
            b"application/json; charset=x",
        )
    ),
    *((b"Content-Encoding", value) for value in (b"gzip", b"br", b"\xff", b"identity")),
    *(
        (b"Prefer", value)
        for value in (b"wait=0", b"wait=-1", b"wait=\xff", b"wait=;wait=x", b"a" * 9000)
    ),
    *((b"X-Forwarded-For", value) for value in (b"127.0.0.1", b"\xff", b"," * 5000)),
    *(
        (b"Host", value)
        for value in (b"evil.example", b"", b"a b", b"\xff", b"[::1", b"x:99999999")
    ),
    *((b"X-Http-Method-Override", value) for value in (b"DELETE", b"TRACE")),
    *((b"If-None-Match", value) for value in (b'"\xff', b"*", b"W/", b'"' * 500)),
    *((b"If-Modified-Since", value) for value in (b"\xff", b"Mon, 99 Foo 10000 00:00:00 GMT")),
    *((b"Range", value) for value in (b"bytes=-1", b"bytes=9-1", b"x", b"bytes=" + b"9" * 400)),
    *(
        (b"Cookie", b'a="\xff; ' * 50),
        (b"Expect", b"100-continue"),
        (b"Expect", b"x"),
        (b"TE", b"x"),
    ),
    *((b"Upgrade", b"websocket"), (b"Upgrade", b"h2c"), (b"Origin", b"https://evil.example")),
    *((b"Stripe-Signature", value) for value in (b"", b"\xff", b"t=1,v1=0", b"t=" + b"9" * 5000)),
    *((b"Stripe-Signature", b"t=1," + b"v1=0," * 5000), (b"X-A", b"a" * 9000), (b"X A", b"b")),
    *((b"X-A\x00", b"b"), (b"", b"b"), (b"X-A", b"b\x00"), (b"X-A", b"b\rc"), (b"X-A", b"b\r\n c")),
]

METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "FOO",
    "<>",
]

LENGTHS = [b"-1", b"0", b"5", b"99999", b"70000", b"9" * 30, b"abc", b"+5", b"1.5", b"5, 6", b""]
