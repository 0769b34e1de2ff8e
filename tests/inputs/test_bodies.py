"""Bodies that are no JSON object, at every route that takes one (and at those that take none)."""

import json

import pytest
from tests_support import check_problem

from gateway.kernel.bodies import MAX_FAULTS
from gateway.kernel.http import MAX_BODY

pytestmark = pytest.mark.usefixtures("unchanged")

ORDER = {"currency": "EUR", "amount": 1999}


def nested(depth, what="{}"):
    return b'{"a":' * depth + what.encode() + b"}" * depth


UNPARSABLE = {
    "empty": b"",
    "blanks": b" \n ",
    "null": b"null",
    "array": b"[]",
    "array of one": b'[{"currency": "EUR"}]',
    "string": b'"x"',
    "number": b"5",
    "true": b"true",
    "open brace": b"{",
    "two objects": b"{}{}",
    "NUL": b"\0",
    "60,000 brackets": b"[" * 60_000,
    "30,000 closed brackets": b"[" * 30_000 + b"]" * 30_000,
    "900 levels, open": b'{"a":' * 900,
    "900 levels": nested(900),
    "10,000 levels": nested(10_000),
    "21 levels": nested(20, '{"a": 1}'),
    "5,000 digits": b'{"amount": ' + b"9" * 5000 + b"}",
    "41 digits": b'{"amount": ' + b"9" * 41 + b"}",
    "-5,000 digits": b'{"amount": -' + b"9" * 5000 + b"}",
    "NaN": b'{"amount": NaN}',
    "Infinity": b'{"amount": Infinity}',
    "-Infinity": b'{"amount": -Infinity}',
    "a name twice": b'{"amount": 1, "currency": "EUR", "amount": 2}',
    "a name twice, once escaped": b'{"amount": 1, "am\\u006funt": 2}',
    "a name twice, below": b'{"metadata": {"a": "1", "a": "2"}}',
    "not UTF-8": b'{"currency": "\xff"}',
    "overlong UTF-8": b'{"currency": "\xc0\x80"}',
    "UTF-16": json.dumps(ORDER).encode("utf-16"),
    "UTF-16 without a mark": json.dumps(ORDER).encode("utf-16-le"),
    "UTF-32": json.dumps(ORDER).encode("utf-32-le"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(ORDER).encode(),
    "an encoded surrogate": b'{"currency": "\xed\xa0\x80"}',
    "a raw control character": b'{"currency": "E\nR"}',
    "a bad escape": b'{"currency": "\\x45"}',
    "half an escape": b'{"currency": "\\u00',
    "a comment": b'{"amount": 1 /* one */}',
    "a trailing comma": b'{"amount": 1,}',
    "single quotes": b"{'amount': 1}",
    "an underscore": b'{"amount": 1_000}',
    "a plus": b'{"amount": +1}',
    "octal": b'{"amount": 010}',
    "hexadecimal": b'{"amount": 0x10}',
    "a form": b"amount=1&currency=EUR",
    "XML": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
}


@pytest.mark.parametrize("raw", UNPARSABLE.values(), ids=UNPARSABLE)
def test_what_is_not_one_json_object_is_400(api, faults, raw):
    for route in api.writes:
        path = api.standing_path(route)
        answer = api.call(route.method, path, data=raw, content_type="application/json")
        faults.check(str(route), check_problem, answer, 400, "unparsable")


TYPES = [
    "text/plain",
    "text/json",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/json-patch+json",
    "application/jsonp",
    "json",
    "",
    ";",
    "\xff",
    "application/",
    "*/*",
]


@pytest.mark.parametrize("what", TYPES)
def test_another_content_type_is_415(api, faults, what):
    for route in api.writes:
        raw = json.dumps(route.example())
        answer = api.call(route.method, api.standing_path(route), data=raw, content_type=what)
        faults.check(str(route), check_problem, answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
def test_a_packed_body_is_415(api, faults, encoding):
    for route in api.writes:
        packed = {"Content-Encoding": encoding}
        path = api.standing_path(route)
        answer = api.call(route.method, path, json=route.example(), headers=packed)
        faults.check(str(route), check_problem, answer, 415, "unsupported_media_type")


def test_a_body_is_limited_to_the_byte(api, faults):
    for route in api.writes:
        sound = json.dumps(route.example() | {"colour": "red"}).encode()
        full = sound + b" " * (MAX_BODY - len(sound))
        path, what = api.standing_path(route), {"content_type": "application/json"}
        fits = api.call(route.method, path, data=full, **what)
        over = api.call(route.method, path, data=full + b" ", **what)
        faults.check(f"{route} fits", check_problem, fits, 422)
        faults.check(f"{route} over", check_problem, over, 413, "body_too_large")


UNKNOWN = {
    "an unknown field": {"colour": "red"},
    "__proto__": {"__proto__": {"amount": 1}},
    "constructor": {"constructor": {"prototype": {"admin": True}}},
    "a dunder": {"__class__": "x"},
    "a method of schemas": {"load": 1, "context": {}},
    "what only the server writes": {"id": "x", "status": "succeeded", "livemode": True},
    "a surrogate": {"\ud800": 1},
    "NUL": {"a\u0000b": 1},
    "an empty name": {"": 1},
    "a name of 10,000": {"n" * 10_000: 1},
    "5,000 names": {f"n{number}": 1 for number in range(5000)},
    "another case": {"CURRENCY": "EUR", "Url": "x", "Allowed_Origins": []},
    "a dotted name": {"metadata.a": "b", "items[0].name": "x"},
}


@pytest.mark.parametrize("change", UNKNOWN.values(), ids=UNKNOWN)
def test_a_field_there_is_not_is_422_by_name(api, faults, change):
    for route in api.writes:
        body = route.example() | change
        answer = api.call(route.method, api.standing_path(route), json=body)
        faults.check(str(route), check_named, answer, change)


def check_named(answer, change):
    body = check_problem(answer, 422, "invalid_request")
    named = {error["param"] for error in body["errors"]}
    assert len(named & {*change}) == min(len(change), MAX_FAULTS)


def test_a_body_for_a_read_is_not_even_read(api, faults):
    for route in api.routes:
        if route.method == "GET":
            answer = api.call("GET", api.standing_path(route), data=b"\xff{", content_type="x")
            faults.check(str(route), check_fine, answer)


def check_fine(answer):
    assert answer.status_code == 200, answer.text
