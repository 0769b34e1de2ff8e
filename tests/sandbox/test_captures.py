"""Taking authorised money: whole, in part, once, and only in time."""

import pytest

from gateway.dev.sandbox import shapes

from .money import DAY, authorised, charge_of, later, paid, refused
from .support import Server


def session_of(sandbox: Server, intent_id: str) -> str:
    sessions = sandbox.client.v1.checkout.sessions
    return str(sessions.list({"payment_intent": intent_id}).data[0].id)


def test_the_whole_is_captured(sandbox: Server):
    intent = authorised(sandbox)

    captured = sandbox.client.v1.payment_intents.capture(intent.id)

    assert (captured.status, captured.amount_received, captured.amount_capturable) == (
        "succeeded", 5000, 0,
    )  # fmt: skip
    session = sandbox.session(session_of(sandbox, intent.id))
    assert (session.status, session.payment_status) == ("complete", "paid")
    assert shapes.problems(session.to_dict()) == []
    assert sandbox.events_of(intent.latest_charge.id) == [
        "charge.succeeded",
        "charge.captured",
        "charge.updated",
    ]
    assert sandbox.events_of(intent.id)[-1] == "payment_intent.succeeded"


def test_a_part_is_captured_and_the_rest_released(sandbox: Server):
    intent = authorised(sandbox)

    captured = sandbox.client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 3000})

    assert (captured.status, captured.amount, captured.amount_received) == ("succeeded", 5000, 3000)
    assert captured.amount_capturable == 0
    charge = charge_of(sandbox, intent)
    assert (charge.amount, charge.amount_captured, charge.captured) == (5000, 3000, True)
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert (charge.balance_transaction.amount, charge.balance_transaction.fee) == (3000, 117)
    assert shapes.problems(charge.to_dict()) == []


def test_a_capture_tells_what_was_before(sandbox: Server):
    intent = authorised(sandbox)
    sandbox.client.v1.payment_intents.capture(intent.id, {"metadata": {"a": "b"}})

    event = sandbox.client.v1.events.list({"type": "charge.captured", "limit": 1}).data[0]

    assert event.data.object.id == intent.latest_charge.id
    assert event.data.previous_attributes.to_dict() == {
        "amount_captured": 0,
        "captured": False,
        "balance_transaction": None,
    }
    assert sandbox.client.v1.payment_intents.retrieve(intent.id).metadata.to_dict() == {"a": "b"}


@pytest.mark.parametrize(
    ("amount", "code", "param"),
    [
        (5001, "amount_too_large", "amount_to_capture"),
        (0, "parameter_invalid_integer", "amount"),
        (-1, None, "amount_to_capture"),
    ],
)
def test_a_wrong_amount_is_refused(sandbox: Server, amount: int, code: str | None, param: str):
    intent = authorised(sandbox)

    error = refused(
        sandbox.client.v1.payment_intents.capture, intent.id, {"amount_to_capture": amount}
    )

    assert (error.code, error.param) == (code, param)
    assert error.error.payment_intent.status == "requires_capture"
    assert sandbox.client.v1.payment_intents.capture(intent.id).status == "succeeded"


def test_it_is_captured_once(sandbox: Server):
    intents = sandbox.client.v1.payment_intents
    captured, bought = authorised(sandbox), paid(sandbox)
    intents.capture(captured.id, {"amount_to_capture": 100})

    for intent in (captured, bought):
        error = refused(intents.capture, intent.id)
        assert error.code == "payment_intent_unexpected_state"
        assert "already been captured" in str(error)
        assert error.error.payment_intent.id == intent.id
    assert intents.retrieve(captured.id).amount_received == 100


def test_nothing_is_captured_after_a_cancel(sandbox: Server):
    intent = authorised(sandbox)
    intents = sandbox.client.v1.payment_intents
    intents.cancel(intent.id)

    error = refused(intents.capture, intent.id)

    assert error.code == "payment_intent_unexpected_state"
    assert error.error.payment_intent.status == "canceled"
    charge = charge_of(sandbox, intent)
    assert (charge.captured, charge.refunded, charge.amount_refunded) == (False, False, 0)
    assert sandbox.events_of(charge.id) == ["charge.succeeded"]


def test_nothing_is_captured_after_a_week(sandbox: Server):
    intent = authorised(sandbox)
    later(sandbox, 7 * DAY + 1)

    error = refused(sandbox.client.v1.payment_intents.capture, intent.id)

    assert error.error.payment_intent.cancellation_reason == "expired"
    assert sandbox.events_of(intent.latest_charge.id)[-1] == "charge.expired"
    assert sandbox.events_of(intent.id)[-1] == "payment_intent.canceled"


def test_captured_money_does_not_fall_back(sandbox: Server):
    intent = authorised(sandbox)
    sandbox.client.v1.payment_intents.capture(intent.id)

    later(sandbox, 8 * DAY)

    assert sandbox.client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_there_is_no_second_capture_to_come(sandbox: Server):
    intent = authorised(sandbox)

    error = refused(sandbox.client.v1.payment_intents.capture, intent.id, {"final_capture": False})

    assert error.param == "final_capture"


def test_an_unknown_intent(sandbox: Server):
    error = refused(sandbox.client.v1.payment_intents.capture, "pi_nope", status=404)

    assert (error.code, error.param) == ("resource_missing", "intent")
