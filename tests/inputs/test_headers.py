"""Who is calling, and what else a header can carry, at every route that a door guards."""

import base64
import re

import pytest
from tests_support import check_problem

from gateway.kernel import waiting
from gateway.kernel.db import transaction
from gateway.merchants import service
from gateway.merchants.models import ApiKey, Merchant

pytestmark = pytest.mark.usefixtures("unchanged")


def basic(text):
    return "Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.fixture(scope="module")
def revoked(api):
    with transaction(actor="test:setup") as tx:
        ours = tx.query(ApiKey).filter_by(key=api.own["X-Api-Key"]).one().merchant_id
        key = service.create_key(tx, tx.get_one(Merchant, ours), livemode=False)
        service.revoke_key(tx, key.key)
    return {"X-Api-Key": key.key, "X-Api-Secret": key.secret}


def strangers(api, revoked):
    """Headers that prove nothing."""
    key, secret = api.own["X-Api-Key"], api.own["X-Api-Secret"]
    theirs, live = api.theirs["X-Api-Secret"], api.live["X-Api-Secret"]
    keys = ("", " ", "key_test_unknown", key[:-1], key + "x", key.upper(), "x" * 8000, "\xe9")
    keys += (f"key_test_\xe9{key[9:]}", f"{key}\x7f", f"{key},{key}", secret, "key_test_", "'--")
    secrets = (
        "",
        " ",
        secret[:-1],
        f"{secret}x",
        secret.upper(),
        theirs,
        live,
        key,
        "\xe9",
        "x" * 8000,
    )
    basics = ("", "Basic", "Basic ", "Basic !!!", "Basic " + "A" * 7, "Basic a, Basic b", "basic=")
    basics += (basic("nocolon"), basic(":"), basic(f"{key}:"), basic(f":{secret}"), "Negotiate x")
    basics += (basic(f"{secret}:{key}"), basic(f"{key}:{theirs}"), basic(b"key_test_\xe9:secret"))
    basics += (basic(b"\xff\xfe:\xff"), basic("key_test_x\0:y"), f"Bearer {secret}", "Digest a=b")
    basics += (f"{basic(f'{key}:{secret}')},{basic(f'{key}:{secret}')}", "\xe9", "Basic \xe9")
    yield {}
    yield {"X-Api-Secret": secret}
    yield revoked
    yield {"X-Api-Key": revoked["X-Api-Key"]}
    yield {"X-Api-Key": "", "Authorization": basic(f"{key}:{secret}")}
    yield from ({"X-Api-Key": each, "X-Api-Secret": secret} for each in keys)
    yield from ({"X-Api-Key": each} for each in keys)
    yield from ({"X-Api-Key": key, "X-Api-Secret": each} for each in secrets)
    yield from ({"Authorization": each} for each in basics)
    yield {"X-Key": key, "X-Secret": secret, "Cookie": f"X-Api-Key={key}; X-Api-Secret={secret}"}


def test_nobody_gets_in_without_a_key_and_its_secret(api, faults, revoked):
    """All at one door: every route meets a quarter of the strangers, every stranger many routes."""
    every = list(strangers(api, revoked))
    for number, route in enumerate(api.guarded):
        path, body = api.standing_path(route), body_of(route)
        for headers in every[number % 4 :: 4]:
            answer = api.call(route.method, path, json=body, keys=headers)
            faults.check(f"{route} {str(headers)[:80]}", check_401, answer)


def body_of(route):
    return route.example() if route.declared.accepts is not None else None


def check_401(answer):
    check_problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_key_alone_opens_no_merchants_call(api, faults):
    for route in api.guarded:
        keys = {"X-Api-Key": api.own["X-Api-Key"]}
        answer = api.call(route.method, api.standing_path(route), json=body_of(route), keys=keys)
        faults.check(str(route), check_problem, answer, 403, "secret_required")


QUERIES = ["key={}&secret={}", "X-Api-Key={}&X-Api-Secret={}", "api_key={}&api_secret={}"]


@pytest.mark.parametrize("query", QUERIES)
def test_a_key_in_the_address_never_opens(api, faults, query):
    carried = query.format(*api.own.values())
    for route in api.guarded:
        path = f"{api.standing_path(route)}?{carried}"
        answer = api.call(route.method, path, json=body_of(route), keys={})
        faults.check(str(route), check_401, answer)
        answer = api.call(route.method, path, json=body_of(route))
        faults.check(f"{route} with headers too", check_problem, answer, 422)


ODD = {
    "a forged address": {"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "::1", "Forwarded": "for=_x"},
    "garbage for an address": {"X-Forwarded-For": "\xff, '; DROP TABLE--, " + "9" * 4000},
    "another site's host": {"Host": "evil.example"},
    "a host that is none": {"Host": "a b/<script>"},
    "another host and scheme": {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "ftp"},
    "another path": {"X-Original-Url": "/admin", "X-Rewrite-Url": "/admin", "X-Script-Name": "/x"},
    "method overrides": {
        "X-Http-Method-Override": "DELETE",
        "X-Http-Method": "DELETE",
        "X-Method-Override": "PUT",
    },
    "a foreign origin": {"Origin": "https://evil.example", "Referer": "javascript:alert(1)"},
    "a wish that is none": {"Prefer": "wait=, wait=-1, wait=1e9, return=\xff"},
    "a wish of digits": {"Prefer": "wait=" + "9" * 5000},
    "dates and ranges": {"If-Modified-Since": "\xff", "Range": "bytes=-1", "If-None-Match": "\xff"},
    "languages": {"Accept": "\xff/\xff;q=9", "Accept-Language": "x" * 5000, "Accept-Encoding": "*"},
    "a cookie": {"Cookie": 'a="\xff; ' * 100},
    "a trace": {"Traceparent": "00-x", "X-Request-Id": "req_forged\xff", "Request-Id": "forged"},
}


@pytest.mark.parametrize("headers", ODD.values(), ids=ODD)
def test_odd_headers_change_nothing(api, faults, headers, monkeypatch):
    monkeypatch.setattr(waiting, "LONGEST_SECONDS", 0)
    for route in api.guarded:
        if route.method == "GET":
            answer = api.call("GET", api.standing_path(route), headers=headers)
            faults.check(str(route), check_ordinary, answer)
        else:
            what = {"data": b"{", "content_type": "application/json"}
            answer = api.call(route.method, api.standing_path(route), headers=headers, **what)
            faults.check(str(route), check_problem, answer, 400, "unparsable")
        faults.check(str(route), check_unforged, answer)


def check_ordinary(answer):
    assert (answer.status_code, answer.content_type) == (200, "application/json"), answer.text


def check_unforged(answer):
    assert re.fullmatch("req_[0-9a-hjkmnp-tv-z]{26}", answer.headers["Request-Id"])
    assert "evil.example" not in f"{answer.headers}{answer.text}"
    assert not [name for name in dict(answer.headers) if name.startswith("Access-Control")]


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "FOO"]


def test_another_method_is_405_and_says_which_are_allowed(api, faults):
    for path in {route.path for route in api.routes}:
        allowed = {route.method for route in api.routes if route.path == path}
        real = next(api.standing_path(route) for route in api.routes if route.path == path)
        for method in {*METHODS} - allowed:
            for keys in (api.own, {}):
                answer = api.call(method, real, keys=keys)
                faults.check(f"{method} {path}", check_405, answer, allowed)


def check_405(answer, allowed):
    check_problem(answer, 405, "method_not_allowed")
    heads = {"HEAD"} if "GET" in allowed else set()
    assert {*answer.headers["Allow"].split(", ")} == allowed | heads | {"OPTIONS"}


def test_what_has_no_door_takes_its_own_methods_only(api, faults):
    for rule in api.app.url_map.iter_rules():
        path = rule.rule.replace("<path:filename>", "page.css").replace("<", "").replace(">", "")
        for method in {*METHODS} - (rule.methods or set()):
            answer = api.client.open(path, method=method)
            if method in answer.headers.get("Allow", ""):
                continue
            ours = not hasattr(api.app.view_functions[rule.endpoint], "declared")
            if ours:
                faults.check(f"{method} {path}", check_problem, answer, 405, "method_not_allowed")


def test_a_head_is_a_get_without_its_body_and_needs_the_same_key(api, faults):
    for route in api.guarded:
        if route.method == "GET":
            path = api.standing_path(route)
            faults.check(str(route), check_head, api.call("HEAD", path), 200)
            faults.check(str(route), check_head, api.call("HEAD", path, keys={}), 401)


def check_head(answer, status):
    assert (answer.status_code, answer.data) == (status, b"")


BAD_KEYS = ["", " ", "a b", "a\tb", "\x7f", "\x80", "\xe9", "\xff", "x" * 256, "k" * 8000]
BAD_KEYS += ["e\u0301".encode().decode("latin-1"), "é".encode().decode("latin-1"), "\x00", "\x1b"]


def test_an_idempotency_key_that_is_none_is_422(api, faults):
    posts = [route for route in api.writes if route.method == "POST"]
    assert len(posts) >= 4
    for route in posts:
        for key in BAD_KEYS:
            what = {"json": body_of(route), "headers": {"Idempotency-Key": key}}
            answer = api.call("POST", api.standing_path(route), **what)
            faults.check(f"{route} {key!r:.40}", check_key, answer)


def check_key(answer):
    body = check_problem(answer, 422, "invalid_request")
    assert [error["param"] for error in body["errors"]] == ["Idempotency-Key"]
