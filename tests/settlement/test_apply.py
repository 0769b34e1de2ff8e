"""Where Stripe says a payment is, there it goes; what Stripe does not say changes nothing."""

import pytest

from gateway.kernel.db import transaction
from gateway.kernel.due import claim
from gateway.payments.models import Payment
from gateway.payments.service import make_due
from gateway.processor import client as processor
from gateway.settlement import apply as settlement

HOUR, DAY = 3600, 86400


def look(payment_id):
    """Have the payment looked at now, as news would."""
    with transaction(actor="test:news") as tx:
        make_due(tx, payment_id)


def test_a_decline_leaves_the_order_payable_and_is_told_once(buyer, opened, stripe, drain, history):
    payment = opened()
    stripe.pay(payment["checkout_url"], card="4000000000009995")
    for _ in range(3):
        look(payment["id"])
        drain()

    declined = buyer.read(payment["id"])
    assert declined["status"] == "requires_action"
    assert declined["failure"]["code"] == "insufficient_funds"
    assert history(payment["id"]).count("payment.attempt_declined") == 1

    stripe.pay(payment["checkout_url"], card="4000000000000002")
    look(payment["id"])
    drain()
    stripe.pay(payment["checkout_url"])
    look(payment["id"])
    drain()

    paid = buyer.read(payment["id"])
    assert (paid["status"], paid["failure"]) == ("succeeded", None)
    assert history(payment["id"]).count("payment.attempt_declined") == 2


def test_a_failed_authentication_is_a_decline_like_any_other(buyer, opened, stripe, drain, history):
    payment = opened()
    stripe.pay(payment["checkout_url"], card="4000002760003184")
    stripe.pay(payment["checkout_url"], three_ds="fail")
    for _ in range(2):
        look(payment["id"])
        drain()

    declined = buyer.read(payment["id"])
    assert (declined["status"], declined["failure"] is None) == ("requires_action", False)
    assert history(payment["id"]).count("payment.attempt_declined") == 1


def test_a_declined_upi_address_may_be_replaced(buyer, opened, stripe, drain):
    payment = opened(amount=50000, currency="INR", method="upi", vpa="shopper@upi")
    stripe.pay(payment["checkout_url"], vpa="failure@upi")
    look(payment["id"])
    drain()
    assert buyer.read(payment["id"])["failure"] is not None

    stripe.pay(payment["checkout_url"], vpa="shopper@upi")
    look(payment["id"])
    drain()

    assert buyer.read(payment["id"])["status"] == "succeeded"


def test_an_order_with_items_goes_on_to_packaging(buyer, stripe, drain, history):
    items = [{"name": "Cup", "quantity": 2, "unit_amount": 900}]
    order = buyer.post("orders", {"currency": "EUR", "items": items}).json
    payment = buyer.post("payments", {"order_id": order["id"]}).json
    drain()
    stripe.pay(buyer.read(payment["id"])["checkout_url"])
    look(payment["id"])
    drain()

    assert buyer.order(order["id"])["status"] == "packaging"
    assert history(order["id"])[-2:] == ["order.payment_done", "order.packaging"]
    (line,) = stripe.get(
        f"checkout/sessions/{stripe.sessions()[0]['id']}", **{"expand[0]": "line_items"}
    )["line_items"]["data"]
    assert (line["description"], line["quantity"], line["amount_total"]) == ("Cup", 2, 1800)


def test_manual_capture_ends_authorized_for_now(buyer, opened, stripe, drain):
    payment = opened(capture_method="manual")
    stripe.pay(payment["checkout_url"])
    look(payment["id"])
    drain()

    held = buyer.read(payment["id"])
    assert (held["status"], held["amount_captured"]) == ("authorized", 0)


def test_an_unpaid_page_expires_and_the_next_attempt_may_be_made(
    buyer, opened, stripe, drain, advance, history
):
    first = opened()
    stripe.lever("POST", "clock", advance_s=DAY + 1)
    advance(DAY + 1)
    drain()

    assert buyer.read(first["id"])["status"] == "expired"
    assert buyer.order("order-1")["status"] == "payment_failed"
    second = opened()
    assert second["id"] != first["id"]
    assert (second["attempt"], second["status"]) == (2, "requires_action")
    assert history(first["order_id"])[-1] == "order.updated"  # in progress, for the second time


def test_a_late_success_is_believed(buyer, opened, stripe, drain, advance):
    payment = opened()
    stripe.lever("POST", "clock", advance_s=DAY + 1)
    advance(DAY + 1)
    drain()
    session = stripe.sessions(payment["id"])[0]

    stripe.lever("POST", f"sessions/{session['id']}/complete", force=True)
    look(payment["id"])
    drain()

    assert buyer.read(payment["id"])["status"] == "succeeded"
    assert buyer.order("order-1")["status"] == "payment_done"


@pytest.mark.parametrize(
    "change", ["amount = amount + 1", "currency = 'USD'", "livemode = NOT livemode"]
)
def test_other_figures_than_ours_go_to_review_and_fulfil_nothing(
    buyer, opened, stripe, drain, sql, change
):
    payment = opened()
    stripe.pay(payment["checkout_url"])
    sql(f"UPDATE payments SET {change} WHERE id = :id", id=payment["id"])
    look(payment["id"])
    drain()

    status = sql("SELECT status FROM payments WHERE id = :id", id=payment["id"])
    assert status == "review"
    assert buyer.order("order-1")["status"] == "payment_in_progress"
    why = sql("SELECT needs_attention FROM payments WHERE id = :id", id=payment["id"])
    assert why.startswith("Stripe reports 1999 EUR in test mode; `gateway review pay_")


def test_a_review_does_not_end_by_itself(buyer, opened, stripe, drain, sql):
    payment = opened()
    stripe.pay(payment["checkout_url"])
    sql("UPDATE payments SET amount = amount + 1")
    look(payment["id"])
    drain()
    sql("UPDATE payments SET amount = amount - 1")
    look(payment["id"])
    drain()

    assert buyer.read(payment["id"])["status"] == "review"
    assert buyer.order("order-1")["status"] == "payment_in_progress"
    assert "Stripe reports" in sql("SELECT needs_attention FROM payments")


def test_what_stripe_refuses_to_open_has_failed(buyer, stripe, drain):
    payment = buyer.buy(amount=10)
    drain()

    failed = buyer.read(payment["id"])
    assert failed["status"] == "failed"
    assert failed["failure"]["code"] == "amount_too_small"
    assert buyer.order("order-1")["status"] == "payment_failed"
    assert failed["next_check_at"] is None


def test_news_without_a_change_changes_nothing(buyer, opened, stripe, drain, history, sql):
    payment = opened()
    before = history(payment["id"])
    for _ in range(3):
        look(payment["id"])
        drain()

    assert history(payment["id"]) == before
    assert sql("SELECT attempts FROM payments WHERE id = :id", id=payment["id"]) == 0


def test_a_lost_lease_writes_nothing(buyer, opened, stripe, sql, history):
    payment = opened()
    look(payment["id"])
    with transaction(actor="test:claim") as tx:
        claimed = claim(tx, Payment, payment["id"])
    stripe.pay(payment["checkout_url"])
    session = processor.fetch_session(claimed.row.stripe_session_id)
    sql("UPDATE payments SET lease = lease + 1 WHERE id = :id", id=payment["id"])

    with transaction(actor="test:late") as tx:
        assert settlement.apply(tx, claimed, session) is False

    assert buyer.read(payment["id"])["status"] == "requires_action"
    assert "payment.succeeded" not in history(payment["id"])
