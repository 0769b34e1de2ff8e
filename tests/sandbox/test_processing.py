"""Payments decided later: SEPA debits and slow UPI, by the clock and by the lever."""

from typing import Any

import pytest

from gateway.dev.sandbox import shapes

from .money import DAY, HOUR, MANUAL, charge_of, later, refused
from .support import Server, euros, rupees

SUCCEEDS = "AT61 1904 3002 3457 3201"
FAILS = "IT60X0542811101000000123456"
SILENT = "DE89370400440532013000"


def debited(sandbox: Server, iban: str = SUCCEEDS) -> Any:
    """A complete session whose money is on its way."""
    session = sandbox.create(**euros("sepa_debit"))
    answer = sandbox.submit(session.id, iban=iban, email="ada@example.com")
    assert answer.status_code == 303
    return sandbox.session(session.id)


def test_a_debit_is_under_way(sandbox: Server):
    session = debited(sandbox)

    intent, charge = session.payment_intent, session.payment_intent.latest_charge
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    assert (intent.status, intent.amount_received) == ("processing", 0)
    assert (charge.status, charge.paid, charge.balance_transaction) == ("pending", False, None)
    assert charge.id.startswith("py_")
    assert charge.payment_method_details.sepa_debit.last4 == "3201"
    assert shapes.problems(session.to_dict()) == []
    assert sandbox.events_of(charge.id) == ["charge.pending"]
    assert sandbox.events_of(intent.id)[-1] == "payment_intent.processing"
    assert sandbox.events_of(session.id) == ["checkout.session.completed"]


def test_nothing_can_be_done_to_it_meanwhile(sandbox: Server):
    session = debited(sandbox)
    v1, intent_id = sandbox.client.v1, session.payment_intent.id

    assert refused(v1.checkout.sessions.expire, session.id).code is None
    for call in (v1.payment_intents.cancel, v1.payment_intents.capture):
        assert refused(call, intent_id).code == "payment_intent_unexpected_state"
    refund = refused(v1.refunds.create, {"payment_intent": intent_id})
    assert refund.code == "payment_intent_unexpected_state"
    by_charge = {"charge": session.payment_intent.latest_charge.id}
    assert "is pending" in str(refused(v1.refunds.create, by_charge))
    assert sandbox.lever("POST", "disputes", by_charge).status_code == 409
    assert sandbox.submit(session.id, iban=SUCCEEDS).status_code == 303
    assert sandbox.session(session.id).payment_intent.status == "processing"


def test_the_money_comes_by_the_clock(sandbox: Server):
    session = debited(sandbox)
    later(sandbox, 2 * DAY)
    assert sandbox.session(session.id).payment_intent.status == "processing"

    later(sandbox, DAY + 1)

    paid = sandbox.session(session.id)
    intent, charge = paid.payment_intent, paid.payment_intent.latest_charge
    assert (paid.payment_status, intent.status, intent.amount_received) == (
        "paid", "succeeded", 5000,
    )  # fmt: skip
    assert (charge.status, charge.paid) == ("succeeded", True)
    assert charge_of(sandbox, intent).balance_transaction.type == "payment"
    assert shapes.problems(paid.to_dict()) == []
    assert sandbox.events_of(session.id)[-1] == "checkout.session.async_payment_succeeded"
    assert sandbox.events_of(charge.id) == ["charge.pending", "charge.succeeded"]
    assert sandbox.events_of(intent.id)[-1] == "payment_intent.succeeded"


def test_the_bank_refuses_by_the_clock(sandbox: Server):
    session = debited(sandbox, FAILS)

    later(sandbox, 3 * DAY + 1)

    failed = sandbox.session(session.id)
    intent, charge = failed.payment_intent, failed.payment_intent.latest_charge
    assert (failed.status, failed.payment_status) == ("complete", "unpaid")
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_payment_error.code == "insufficient_funds"
    assert intent.last_payment_error.charge == charge.id
    assert (charge.status, charge.paid, charge.amount_captured) == ("failed", False, 0)
    assert shapes.problems(failed.to_dict()) == []
    assert sandbox.events_of(session.id)[-1] == "checkout.session.async_payment_failed"
    assert sandbox.events_of(charge.id) == ["charge.pending", "charge.failed"]
    assert sandbox.events_of(intent.id)[-1] == "payment_intent.payment_failed"


@pytest.mark.parametrize(
    ("wish", "iban", "payment_status"),
    [("succeeded", FAILS, "paid"), ("failed", SUCCEEDS, "unpaid"), ("succeeded", SILENT, "paid")],
)
def test_the_lever_decides_at_once(sandbox: Server, wish: str, iban: str, payment_status: str):
    session = debited(sandbox, iban)
    path = f"payment_intents/{session.payment_intent.id}"

    decided = sandbox.lever("POST", path, {"status": wish})

    assert shapes.problems(decided.json()) == []
    assert sandbox.session(session.id).payment_status == payment_status
    assert sandbox.events_of(session.id)[-1] == f"checkout.session.async_payment_{wish}"
    assert sandbox.lever("POST", path, {"status": wish}).status_code == 409
    later(sandbox, 4 * DAY)
    assert sandbox.session(session.id).payment_status == payment_status


def test_some_banks_never_answer(sandbox: Server):
    session = debited(sandbox, SILENT)

    later(sandbox, 30 * DAY)

    assert sandbox.session(session.id).payment_intent.status == "processing"
    path = f"payment_intents/{session.payment_intent.id}"
    assert sandbox.lever("POST", path, {"status": "lost"}).status_code == 422


@pytest.mark.parametrize(
    ("vpa", "status"),
    [("pending@upi", "succeeded"), ("late-failure@upi", "requires_payment_method")],
)
def test_a_slow_upi_payment(sandbox: Server, vpa: str, status: str):
    session = sandbox.create(**rupees("upi"))
    assert sandbox.submit(session.id, vpa=vpa).status_code == 303
    waiting = sandbox.session(session.id)
    assert (waiting.status, waiting.payment_intent.status) == ("complete", "processing")

    later(sandbox, HOUR + 1)

    decided = sandbox.session(session.id)
    assert decided.payment_intent.status == status
    assert shapes.problems(decided.to_dict()) == []


def test_a_late_debit_is_refunded_slowly(sandbox: Server):
    session = debited(sandbox)
    intent_id = session.payment_intent.id
    sandbox.lever("POST", f"payment_intents/{intent_id}", {"status": "succeeded"})

    refund = sandbox.client.v1.refunds.create({"payment_intent": intent_id})
    later(sandbox, HOUR + 1)

    assert refund.status == "pending"
    assert sandbox.client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_where_a_debit_is_offered(sandbox: Server):
    assert sandbox.create(**euros()).payment_method_types == ["card", "sepa_debit"]
    assert sandbox.create(**euros(), **MANUAL).payment_method_types == ["card"]
    assert sandbox.create(**rupees()).payment_method_types == ["card", "upi"]
    only_debits = euros("sepa_debit")
    assert refused(lambda: sandbox.create(**only_debits, **MANUAL)).param is None


@pytest.mark.parametrize(
    "iban", ["", "AT61", "AT611904300234573202", "FR1420041010050500013M02606"]
)
def test_a_wrong_iban_touches_nothing(sandbox: Server, iban: str):
    session = sandbox.create(**euros("sepa_debit"))

    answer = sandbox.submit(session.id, iban=iban)

    assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (400, True)
    assert sandbox.session(session.id).payment_intent is None


def test_a_completion_by_lever_may_be_slow_too(sandbox: Server):
    session = sandbox.create(**euros("sepa_debit"))
    other = sandbox.create(**rupees())
    path = "sessions/{}/complete"

    assert sandbox.lever("POST", path.format(session.id), {"iban": "XX"}).status_code == 422
    slow = sandbox.lever("POST", path.format(session.id)).json()
    upi = sandbox.lever("POST", path.format(other.id), {"vpa": "pending@upi"}).json()

    assert (slow["status"], slow["payment_status"]) == ("complete", "unpaid")
    assert (upi["status"], upi["payment_status"]) == ("complete", "unpaid")
