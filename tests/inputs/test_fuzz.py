"""The fuzzer sees what is wrong with an answer, and sends the same again for the same seed."""

import json
from dataclasses import replace
from itertools import islice

import pytest
from tests_support import forget

from gateway.app import create_app
from gateway.dev.fuzz.judge import judge, kind
from gateway.dev.fuzz.mutate import Mutator
from gateway.dev.fuzz.wire import Answer, Sent, read
from gateway.openapi.document import document

SENT = Sent(b"GET / HTTP/1.1\r\n\r\n")
REQUEST_ID = "req_" + "0" * 26


def problem(status=404, code="not_found", headers=None, **members):
    body = {
        "type": f"http://127.0.0.1/docs/errors#{code}",
        "title": "There is no such thing.",
        "status": status,
        "detail": "None.",
        "code": code,
        "request_id": REQUEST_ID,
    } | members
    carried = {"content-type": "application/problem+json", "request-id": REQUEST_ID}
    kept = {name: value for name, value in body.items() if value is not ...}
    return Answer(status, carried | (headers or {}), json.dumps(kept).encode())


SOUND = {
    "a problem": problem(),
    "a 401": problem(401, headers={"www-authenticate": "Basic"}),
    "a 405": problem(405, headers={"allow": "GET"}),
    "a 422": problem(422, "invalid_request", errors=[{"param": "a", "message": "b"}]),
    "a 503": problem(503, "unavailable", headers={"retry-after": "1"}),
    "a success": Answer(200, {"content-type": "application/json", "request-id": REQUEST_ID}, b"{}"),
    "the server's own refusal": Answer(431, {"content-length": "0"}),
}
WRONG = {
    "a 500": problem(500, "internal_error"),
    "a 502": problem(502),
    "a traceback": problem(detail="Traceback (most recent call last):"),
    "a driver's words": problem(detail="psycopg2.errors.SyntaxError"),
    "HTML": Answer(404, {"content-type": "text/html", "request-id": REQUEST_ID}, b"<p>"),
    "no Request-Id": Answer(404, {"content-type": "application/problem+json"}, b"{}"),
    "a forged Request-Id": problem(headers={"request-id": "forged"}),
    "another request_id": problem(request_id="req_" + "1" * 26),
    "another status": replace(problem(), status=409),
    "a missing member": problem(code="x", detail=...),
    "a 401 without a challenge": problem(401),
    "a 405 without Allow": problem(405),
    "a 422 without errors": problem(422, "invalid_request"),
    "a 429 without Retry-After": problem(429, "rate_limited"),
    "a 503 without Retry-After": problem(503, "unavailable"),
    "a redirect": Answer(308, {"location": "http://evil.example", "request-id": REQUEST_ID}),
    "a broken success": Answer(
        200, {"content-type": "application/json", "request-id": REQUEST_ID}, b"{"
    ),
    "silence": Answer(0),
    "a hung connection": Answer(200, hung=True),
}


@pytest.mark.parametrize("answer", SOUND.values(), ids=SOUND)
def test_an_answer_in_form_is_let_pass(answer):
    assert judge(SENT, answer) == []


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_an_answer_out_of_form_is_seen(answer):
    assert judge(SENT, answer)


def test_a_server_may_hang_up_on_what_is_no_request():
    assert judge(Sent(b"\x00", sound=False), Answer(0)) == []
    assert judge(Sent(b"\x00", sound=False), Answer(0, hung=True))


def test_answers_are_counted_by_status_and_by_who_gave_them():
    assert kind(problem()) == "404"
    assert kind(Answer(400)) == "400 (server)"
    assert kind(Answer(0)) == "closed"
    assert kind(Answer(0, hung=True)) == "hung"


def test_an_answer_is_read_past_a_100():
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nA: b\r\n\r\nbody"

    assert read(raw) == Answer(404, {"a": "b"}, b"body")
    assert read(b"").status == 0
    assert read(b"nonsense").status == 0


def test_a_fault_that_is_planted_is_found(client, shop, monkeypatch):
    """From the application's own answer: the judge knows what a 500 of ours looks like."""
    monkeypatch.setattr("gateway.orders.service.get", lambda *_: 1 / 0)
    found = client.get("/api/v1/orders/x", headers=shop.headers)
    headers = {name.lower(): value for name, value in found.headers}

    assert judge(SENT, Answer(found.status_code, headers, found.data)) == ["failed with 500"]


@pytest.fixture
def mutator(database):
    forget()
    described = document(create_app())
    paths = (path.split("/") for path in described["paths"] if path.startswith("/api/v1/"))
    kinds = sorted({words[3] for words in paths if len(words) > 4})

    def make(seed):
        return Mutator(described, {kind: [f"{kind}-1"] for kind in kinds}, "whsec_x", seed)

    return make


def test_one_seed_makes_the_same_requests(mutator):
    def first(seed):
        return [bare(sent.raw) for sent in islice(mutator(seed).requests(), 300)]

    assert first(1) == first(1)
    assert first(1) != first(2)


def bare(raw):
    """Without the time of a signature."""
    return b"" if b"Stripe-Signature: t=" in raw else raw


def test_every_operation_is_damaged_and_some_stay_sound(mutator):
    made = list(islice(mutator(3).requests(), 3000))

    for path in (b"POST /api/v1/payments", b"POST /webhooks/stripe", b"GET /healthz", b"TRACE /"):
        assert any(sent.raw.startswith(path) for sent in made), path
    assert {sent.sound for sent in made} == {sent.cut for sent in made} == {True, False}
