"""Two things at once: money that goes back while somebody decides, cancels, or asks for more."""

import pytest
from tests_support import check_problem

from gateway.kernel.db import transaction
from gateway.kernel.due import claim
from gateway.payments.models import Resolution
from gateway.processor import client as processor
from gateway.processor.types import Refused, Unanswered
from gateway.refunds.models import Refund
from gateway.settlement import answers
from gateway.settlement.review import PaymentBeingRefunded, resolve

DAY, HOUR = 86400, 3600
DISPUTED, FAILS_LATER = "4000000000000259", "4000000000005126"


@pytest.fixture
def complete(stripe):
    def late(payment, **body):
        session = stripe.sessions(payment["id"])[0]
        stripe.lever("POST", f"sessions/{session['id']}/complete", force=True, **body)
        return stripe.sessions(payment["id"])[0]["payment_intent"]

    return late


@pytest.fixture
def expired(opened, later):
    def make(order_id="order-1", **changes):
        payment = opened(order_id, **changes)
        later(DAY + 61)
        later(1)
        return payment

    return make


def decide(decision, payment):
    with transaction(actor="operator:test") as tx:
        resolve(tx, payment["id"], Resolution(decision))


def attention(buyer):
    return buyer.ready()["checks"]["attention"]["needs_attention"]


def test_what_is_being_refunded_is_not_accepted_any_more(buyer, opened, complete, news, drain):
    payment = opened()
    complete(payment, amount=2500)
    assert news(payment["id"])["status"] == "review"
    decide("refund", payment)
    with pytest.raises(PaymentBeingRefunded, match="2500 of 2500 EUR"):
        decide("accept", payment)
    drain()

    assert buyer.read(payment["id"])["status"] == "refunded"
    assert buyer.order("order-1")["status"] == "payment_failed"


def test_figures_that_move_during_a_review_are_decided_on_anew(
    buyer, opened, news, drain, sql, stripe
):
    payment = opened()
    sql("UPDATE payments SET amount = 1")
    assert news(payment["id"])["status"] == "review"
    sql('UPDATE payments SET reported = \'{"amount": 5, "currency": "EUR", "livemode": false}\'')
    decide("accept", payment)
    drain()
    assert buyer.read(payment["id"])["status"] == "review"
    assert sql("SELECT resolution FROM payments") is None
    assert sql("SELECT reported->>'amount' FROM payments") == "1999"


def test_a_duplicate_that_was_refunded_in_part_gives_back_the_rest(
    buyer, expired, paid, complete, stripe, news
):
    first = expired()
    paid()
    intent = complete(first)
    stripe.post("refunds", payment_intent=intent, amount=300)
    news(first["id"])

    assert buyer.read(first["id"])["status"] == "refunded"
    found = buyer.get(f"payments/{first['id']}/refunds")["data"]
    assert sorted((each["amount"], each["automatic"]) for each in found) == [
        (300, False),
        (1699, True),
    ]


def test_a_merchants_refund_of_a_cancelled_order_that_fails_is_shown(
    buyer, paid, drain, later, news
):
    payment = paid(card=FAILS_LATER)
    buyer.made(f"payments/{payment['id']}/refunds")
    buyer.made("orders/order-1/cancel")
    drain()
    later(HOUR + 60)
    news(payment["id"])

    assert len(buyer.get(f"payments/{payment['id']}/refunds")["data"]) == 1
    assert attention(buyer)["refund"] == 1


def test_attention_stays_until_the_money_is_really_back(buyer, paid, drain, news, stripe):
    payment = paid(card=DISPUTED)
    buyer.made("orders/order-1/cancel")
    drain()
    assert attention(buyer)["refund"] == 1
    buyer.made(f"payments/{payment['id']}/refunds")  # refused as well
    news(payment["id"])
    assert attention(buyer)["refund"] == 1  # the same money
    assert "disputes" in buyer.get(f"payments/{payment['id']}/timeline")["needs_attention"]
    dispute = stripe.get("disputes")["data"][0]["id"]
    stripe.lever("POST", f"disputes/{dispute}", status="won")
    buyer.made(f"payments/{payment['id']}/refunds")
    news(payment["id"])

    assert buyer.read(payment["id"])["status"] == "refunded"
    assert attention(buyer)["refund"] == 0


def test_a_slow_answer_does_not_wipe_what_somebody_must_see(buyer, paid, drain, sql, news):
    paid(card=FAILS_LATER)
    buyer.made("orders/order-1/cancel")
    refund = sql("SELECT id FROM refunds")
    with transaction(actor="test:claim") as tx:
        claimed = claim(tx, Refund, refund)
    with transaction(actor="test:meanwhile") as tx:
        row = tx.get_one(Refund, claimed.row.id)
        row.transition_to("failed", needs_attention="It came back.")
    with transaction(actor="test:answer") as tx:
        answers.done(tx, claimed, "re_1")

    assert sql("SELECT needs_attention FROM refunds") == "It came back."


def test_an_attempt_that_is_being_voided_is_not_saved_by_a_retry_of_another(
    buyer, opened, paid, drain
):
    first = opened()
    buyer.made(f"payments/{first['id']}/cancel")
    drain()
    held = paid(capture_method="manual")
    buyer.made(f"payments/{held['id']}/cancel")
    told = check_problem(buyer.post(f"payments/{first['id']}/retry"), 409, "payment_not_retryable")
    assert held["id"] in told["detail"]
    drain()

    assert buyer.read(held["id"])["status"] == "cancelled"


def test_a_capture_is_not_asked_for_once_its_payment_is_unwanted(
    buyer, expired, paid, complete, news, stripe, drain
):
    first = expired()
    held = paid(capture_method="manual")
    capture = buyer.made(f"payments/{held['id']}/capture")
    complete(first)
    with transaction(actor="test:other") as tx:
        tx.connection().exec_driver_sql("UPDATE captures SET due_at = gateway_now() + '1 hour'")
    news(first["id"])
    with transaction(actor="test:other") as tx:
        tx.connection().exec_driver_sql(
            "UPDATE captures SET due_at = gateway_now() WHERE status = 'pending'"
        )
    drain()

    assert buyer.read(first["id"])["status"] == "succeeded"
    assert buyer.read(held["id"])["status"] == "cancelled"
    assert buyer.get(f"captures/{capture['id']}")["status"] == "failed"


def test_no_payment_is_begun_beside_one_under_review(buyer, expired, complete, news):
    first = expired()
    complete(first, amount=2500)
    assert news(first["id"])["status"] == "review"
    assert buyer.order("order-1")["status"] == "payment_failed"
    told = check_problem(
        buyer.post("payments", {"order_id": "order-1"}), 409, "payment_in_progress"
    )
    assert "operator" in told["detail"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>Bad gateway</html>", Unanswered),
        (b"", Unanswered),
        (b'{"error": {"type": "invalid_request_error", "message": "No."}}', Refused),
    ],
)
def test_only_stripes_own_words_are_a_refusal(body, kind, receiver, database, monkeypatch):
    from tests_support import forget

    receiver.answers = [(404, {"Content-Type": "text/html"}, body)] * 2
    monkeypatch.setenv("STRIPE_API_BASE", receiver.url.removesuffix("/hook"))
    forget()
    with pytest.raises(kind):
        processor.expire_session("cs_1", idempotency_key="expire:pay_1:1")


def test_a_bank_that_gives_a_payment_back_to_the_shopper_leaves_it_payable(
    buyer, opened, stripe, news, monkeypatch
):
    """A look that falls into the moment in which the bank thinks about it."""
    payment = opened()
    honest = processor.fetch_session

    def thinking(session_id):
        from dataclasses import replace

        from gateway.processor.types import Intent

        intent = Intent("pi_1", "processing", 1999, 0, "EUR", livemode=False)
        return replace(honest(session_id), intent=intent)

    monkeypatch.setattr(processor, "fetch_session", thinking)
    assert news(payment["id"])["status"] == "requires_action"


@pytest.mark.parametrize("path", ["capture", "refunds"])
def test_null_is_not_everything(buyer, paid, path):
    payment = paid(capture_method="manual" if path == "capture" else "automatic")
    told = check_problem(buyer.post(f"payments/{payment['id']}/{path}", {"amount": None}), 422)

    assert told["errors"][0]["param"] == "amount"
