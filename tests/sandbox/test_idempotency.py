"""The rules of Stripe's idempotency keys, one by one."""

import threading
from typing import Any
from uuid import uuid4

import pytest
import requests

from .support import Server

PATH = "/v1/checkout/sessions"
PRICE = "line_items[0][price_data]"
FORM = {
    "mode": "payment",
    f"{PRICE}[currency]": "usd",
    f"{PRICE}[unit_amount]": "500",
    f"{PRICE}[product_data][name]": "Lamp",
    "line_items[0][quantity]": "1",
}


def post(sandbox: Server, key: str, form: Any = None, path: str = PATH, **headers: str) -> Any:
    body = FORM if form is None else form
    return sandbox.raw("POST", path, body, Idempotency_Key=key, **headers)


@pytest.fixture
def key() -> str:
    return str(uuid4())


def test_the_same_request_gets_the_same_answer(sandbox: Server, key: str):
    first, second = post(sandbox, key), post(sandbox, key, dict(reversed(FORM.items())))

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"]
    assert second.headers["Request-Id"] != first.headers["Request-Id"]


def test_without_a_key_or_with_another_everything_is_new(sandbox: Server, key: str):
    ids = {post(sandbox, k).json()["id"] for k in (key, key + "2")}
    ids |= {sandbox.raw("POST", PATH, FORM).json()["id"] for _ in range(2)}

    assert len(ids) == 4


def test_other_parameters_are_refused(sandbox: Server, key: str):
    post(sandbox, key)

    refused = post(sandbox, key, FORM | {"client_reference_id": "x"})

    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")


def test_another_path_is_refused(sandbox: Server, key: str):
    session = post(sandbox, key).json()

    refused = post(sandbox, key, {}, path=f"{PATH}/{session['id']}/expire")

    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")
    assert sandbox.session(session["id"]).status == "open"


def test_a_refused_validation_is_not_kept(sandbox: Server, key: str):
    assert post(sandbox, key, FORM | {"mode": "nonsense"}).status_code == 400
    assert post(sandbox, key, FORM | {"expires_at": "1"}).status_code == 400
    assert post(sandbox, key).status_code == 200


def test_a_refused_key_is_not_kept(sandbox: Server, key: str):
    assert post(sandbox, key, Authorization="Bearer sk_live_x").status_code == 401
    assert post(sandbox, key).status_code == 200


def test_a_rate_limit_is_not_kept(sandbox: Server, key: str):
    sandbox.lever("PUT", "faults", {"rate_limit_per_s": 0.01})
    assert post(sandbox, key + "0").status_code == 200
    limited = post(sandbox, key)
    assert limited.status_code == 429
    assert limited.json()["error"]["code"] == "rate_limit"
    assert limited.headers["Stripe-Rate-Limited-Reason"] == "global-rate"

    sandbox.lever("DELETE", "faults")

    assert "Idempotent-Replayed" not in post(sandbox, key).headers


def test_a_refusal_by_state_is_kept(sandbox: Server, key: str):
    session = sandbox.create()
    path = f"{PATH}/{session.id}/expire"
    post(sandbox, str(uuid4()), {}, path=path)

    first, second = post(sandbox, key, {}, path=path), post(sandbox, key, {}, path=path)

    assert (first.status_code, second.status_code) == (400, 400)
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_500_after_execution_is_kept_and_replayed(sandbox: Server, key: str):
    sandbox.lever("PUT", "faults", {"error_after": 1})
    before = sandbox.lever("GET", "state").json()["counts"]["checkout.session"]
    first = post(sandbox, key)
    sandbox.lever("PUT", "faults", {"error_after": 0})

    second = post(sandbox, key)

    assert (first.status_code, second.status_code) == (500, 500)
    assert second.headers["Idempotent-Replayed"] == "true"
    after = sandbox.lever("GET", "state").json()["counts"]["checkout.session"]
    assert after == before + 1


def test_a_500_before_execution_is_not_kept(sandbox: Server, key: str):
    sandbox.lever("PUT", "faults", {"error_before": 1})
    assert post(sandbox, key).status_code == 500
    sandbox.lever("PUT", "faults", {"error_before": 0})

    assert post(sandbox, key).status_code == 200


def test_a_timeout_hides_an_answer_that_the_key_then_shows(sandbox: Server, key: str):
    sandbox.lever("PUT", "faults", {"timeout_after": 1})
    with pytest.raises(requests.ConnectionError):
        post(sandbox, key)
    sandbox.lever("PUT", "faults", {"timeout_after": 0})

    found = post(sandbox, key)

    assert found.status_code == 200
    assert found.headers["Idempotent-Replayed"] == "true"


def test_a_key_in_use_is_a_conflict(sandbox: Server, key: str):
    sandbox.lever("PUT", "faults", {"latency_ms": 400})
    answers: list[requests.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(post(sandbox, key))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    conflict, done = sorted(answers, key=lambda answer: -answer.status_code)
    assert (conflict.status_code, done.status_code) == (409, 200)
    assert conflict.json()["error"]["code"] == "idempotency_key_in_use"
    assert post(sandbox, key).content == done.content


def test_keys_are_forgotten_after_a_day(sandbox: Server, key: str):
    first = post(sandbox, key).json()["id"]

    sandbox.lever("POST", "clock", {"advance_s": 24 * 3600 + 60})

    assert post(sandbox, key).json()["id"] != first


def test_a_key_has_a_longest_length(sandbox: Server):
    assert post(sandbox, "k" * 255 + str(uuid4())[:1]).status_code == 400


def test_events_name_the_request(sandbox: Server, key: str):
    session = post(sandbox, key).json()
    expired = post(sandbox, key + "e", {}, path=f"{PATH}/{session['id']}/expire")

    event = sandbox.client.v1.events.list({"type": "checkout.session.expired", "limit": 1}).data[0]

    assert event.request.id == expired.headers["Request-Id"]
    assert event.request.idempotency_key == key + "e"
