"""Every pair of states that Stripe can report, and what it proves: money, none, or nothing yet."""

from dataclasses import replace

import pytest

from gateway.kernel.db import transaction
from gateway.kernel.due import claim
from gateway.payments.models import Payment
from gateway.payments.service import make_due, verdict
from gateway.processor import client as processor
from gateway.processor.types import CheckoutSession, Failure, Intent
from gateway.settlement import apply as settlement

INTENT = Intent("pi_1", "", 1999, 0, "EUR", livemode=False)
SESSION = CheckoutSession("cs_1", "", None, "pay_1", 1999, "EUR", livemode=False)


@pytest.mark.parametrize(
    ("session", "intent", "proves"),
    [
        ("open", None, "requires_action"),
        ("open", "requires_payment_method", "requires_action"),
        ("open", "requires_confirmation", "requires_action"),
        ("open", "requires_action", "requires_action"),
        ("open", "processing", "requires_action"),
        ("open", "canceled", "cancelled"),
        ("complete", None, "processing"),
        ("complete", "processing", "processing"),
        ("complete", "requires_action", "processing"),
        ("complete", "requires_capture", "authorized"),
        ("complete", "succeeded", "succeeded"),
        ("complete", "requires_payment_method", "failed"),
        ("complete", "canceled", "cancelled"),
        ("complete", "a_word_of_next_year", "processing"),
        ("expired", None, "expired"),
        ("expired", "requires_payment_method", "expired"),
        ("expired", "canceled", "expired"),
        ("expired", "succeeded", "succeeded"),
        ("expired", "requires_capture", "authorized"),
    ],
)
def test_a_pair_proves_no_more_than_it_says(session, intent, proves):
    said = replace(INTENT, status=intent) if intent else None

    assert verdict(replace(SESSION, status=session, intent=said)) == proves


@pytest.fixture
def told(buyer, opened, stripe):
    """What becomes of a payment if Stripe's answer were another than the sandbox can give yet."""

    def tell(**intent):
        payment = opened()
        stripe.pay(payment["checkout_url"])
        with transaction(actor="test:news") as tx:
            make_due(tx, payment["id"])
        with transaction(actor="test:claim") as tx:
            claimed = claim(tx, Payment, payment["id"])
        paid = processor.fetch_session(claimed.row.stripe_session_id)
        said = replace(paid, intent=replace(paid.intent, amount_received=0, **intent))
        with transaction(actor="test:apply") as tx:
            assert settlement.apply(tx, claimed, said)
        return buyer.read(payment["id"])

    return tell


def test_a_bank_that_refuses_days_later_fails_the_payment_with_its_words(told, buyer):
    failure = Failure(code="insufficient_funds", message="Not enough.")

    payment = told(status="requires_payment_method", failure=failure)

    assert payment["status"] == "failed"
    assert payment["failure"] == {"code": "insufficient_funds", "message": "Not enough."}
    assert payment["amount_captured"] == 0
    assert buyer.order(payment["order_id"])["status"] == "payment_failed"


def test_an_intent_cancelled_at_stripe_ends_the_payment(told, buyer):
    payment = told(status="canceled")

    assert (payment["status"], payment["next_check_at"]) == ("cancelled", None)
    assert buyer.order(payment["order_id"])["status"] == "payment_failed"
