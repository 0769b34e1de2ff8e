"""The levers: faults with their checks, the clock, state, reset."""

import time
from typing import Any

import pytest
import stripe

from .support import Server


@pytest.mark.parametrize(
    "wrong",
    [
        {"drop_webhook": 1},
        {"drop_webhooks": 1.5},
        {"error_after": -0.1},
        {"error_after": "often"},
        {"timeout_after": True},
        {"seed": 1.5},
        {"rate_limit_per_s": -1},
        {"latency_ms": -1},
        ["seed"],
    ],
)
def test_wrong_faults_are_refused(sandbox: Server, wrong: Any):
    before = sandbox.lever("GET", "faults").json()

    answer = sandbox.lever("PUT", "faults", wrong)

    assert answer.status_code == 422
    assert answer.json()["error"]["message"]
    assert sandbox.lever("GET", "faults").json() == before


def test_faults_change_one_by_one_and_reset_together(sandbox: Server):
    quiet = sandbox.lever("DELETE", "faults").json()
    sandbox.lever("PUT", "faults", {"seed": 3})
    sandbox.lever("PUT", "faults", {"error_after": 0.5})

    unchanged = sandbox.lever("PUT", "faults", {}).json()

    assert unchanged == quiet | {"seed": 3, "error_after": 0.5}
    assert sandbox.lever("DELETE", "faults").json() == quiet


def test_the_same_seed_gives_the_same_troubles(sandbox: Server):
    def story() -> list[int]:
        sandbox.lever("PUT", "faults", {"seed": 11, "error_before": 0.5})
        return [sandbox.raw("GET", "/v1/charges").status_code for _ in range(12)]

    first = story()

    assert first == story()
    assert set(first) == {200, 500}


def test_latency_is_felt(sandbox: Server):
    sandbox.lever("PUT", "faults", {"latency_ms": 150})
    start = time.monotonic()

    sandbox.raw("GET", "/v1/charges")

    assert time.monotonic() - start >= 0.15


def test_stripe_python_sees_the_errors_it_knows(sandbox: Server):
    sandbox.lever("PUT", "faults", {"error_before": 1})
    with pytest.raises(stripe.APIError):
        sandbox.create()
    sandbox.lever("PUT", "faults", {"error_before": 0, "rate_limit_per_s": 0.01})
    with pytest.raises(stripe.RateLimitError, match="Too many") as limited:
        [sandbox.create() for _ in range(2)]

    assert limited.value.error.code == "rate_limit"


def test_the_clock_refuses_nonsense(sandbox: Server):
    for body in ({}, {"advance_s": "1"}, {"advance_s": -1}, {"advance_s": True}):
        assert sandbox.lever("POST", "clock", body).status_code == 422


def test_new_objects_have_the_clocks_time(sandbox: Server):
    now = sandbox.lever("POST", "clock", {"advance_s": 3600}).json()["now"]

    assert abs(sandbox.create().created - now) <= 2


def test_the_state_tells_sessions_and_charges(sandbox: Server):
    session = sandbox.create(client_reference_id="pay_state")
    sandbox.pay(session.id)

    state = sandbox.lever("GET", "state").json()
    inside = sandbox.lever("GET", f"sessions/{session.id}").json()

    assert next(item for item in state["sessions"] if item["id"] == session.id) == {
        "id": session.id,
        "client_reference_id": "pay_state",
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": inside["payment_intent"]["id"],
        "amount": 5000,
        "currency": "usd",
        "amount_received": 5000,
        "amount_refunded": 0,
        "successful_charges": 1,
        "intent_status": "succeeded",
        "refunds": 0,
        "refunds_succeeded": 0,
        "disputes": 0,
    }
    assert sandbox.lever("GET", "charges").json()[0] == inside["charges"][0]
    assert "4242424242424242" not in str(inside)
    assert sandbox.lever("GET", "sessions/cs_x").status_code == 404


def test_the_state_tells_what_came_later(sandbox: Server):
    session = sandbox.create()
    sandbox.pay(session.id, "4000000000001976")
    intent = sandbox.session(session.id).payment_intent.id
    made = [
        sandbox.client.v1.refunds.create({"payment_intent": intent, "amount": amount}).id
        for amount in (300, 400)
    ]
    sandbox.lever("POST", f"refunds/{made[0]}", {"status": "failed"})

    state = sandbox.lever("GET", "state").json()
    inside = sandbox.lever("GET", f"sessions/{session.id}").json()

    told = next(item for item in state["sessions"] if item["id"] == session.id)
    assert (told["amount_received"], told["amount_refunded"], told["disputes"]) == (5000, 400, 1)
    assert (told["refunds"], told["refunds_succeeded"]) == (2, 400)
    assert [refund["id"] for refund in inside["refunds"]] == made[::-1]
    assert [dispute["status"] for dispute in inside["disputes"]] == ["warning_needs_response"]
    assert (state["counts"]["refund"] >= 2, state["counts"]["dispute"] >= 1) == (True, True)


def test_the_state_knows_a_refund_from_what_a_capture_left(sandbox: Server):
    held = sandbox.create(payment_intent_data={"capture_method": "manual"})
    sandbox.pay(held.id)
    intent = sandbox.session(held.id).payment_intent.id
    sandbox.client.v1.payment_intents.capture(intent, {"amount_to_capture": 3000})
    unpaid = sandbox.create()

    rows = {row["id"]: row for row in sandbox.lever("GET", "state").json()["sessions"]}

    assert rows[held.id]["amount_received"] == 3000
    assert (rows[held.id]["intent_status"], rows[held.id]["refunds_succeeded"]) == ("succeeded", 0)
    assert rows[unpaid.id]["intent_status"] is None


def test_reset_forgets_everything(sandbox: Server):
    sandbox.create()
    sandbox.lever("PUT", "faults", {"seed": 9})

    sandbox.lever("POST", "reset")

    assert set(sandbox.lever("GET", "state").json()["counts"].values()) == {0}
    assert sandbox.lever("GET", "faults").json()["seed"] == 0
