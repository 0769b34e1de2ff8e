"""Nobody pays twice, and no money is kept that no order is given for."""

import pytest

DAY = 86400


@pytest.fixture
def complete(stripe, news):
    """Money arrives on a page that was thought closed."""

    def late(payment, **body):
        session = stripe.sessions(payment["id"])[0]
        stripe.lever("POST", f"sessions/{session['id']}/complete", force=True, **body)
        return news(payment["id"])

    return late


@pytest.fixture
def expired(opened, later, buyer):
    def make(order_id="order-1", **changes):
        payment = opened(order_id, **changes)
        later(DAY + 61)
        later(1)
        assert buyer.read(payment["id"])["status"] == "expired"
        return buyer.read(payment["id"])

    return make


def test_a_late_success_pays_the_order(buyer, expired, complete, history):
    payment = expired()
    late = complete(payment)

    assert late["status"] == "succeeded"
    assert buyer.order("order-1")["status"] == "payment_done"
    assert history(payment["order_id"])[-2:] == ["order.payment_failed", "order.payment_done"]


def test_a_late_success_takes_the_stock_again(buyer, tea, expired, complete):
    tea(on_hand=1)
    payment = expired("tea-1")
    assert buyer.stock() == (1, 0)
    complete(payment)

    assert buyer.order("tea-1")["status"] == "packaging"
    assert buyer.stock() == (0, 0)


def test_a_late_success_without_stock_is_given_back(buyer, tea, expired, complete, history):
    tea(on_hand=1)
    payment = expired("tea-1")
    tea("tea-2")
    complete(payment)

    assert buyer.order("tea-1")["status"] == "payment_failed"
    assert buyer.read(payment["id"])["status"] == "refunded"
    (refund,) = buyer.get(f"payments/{payment['id']}/refunds")["data"]
    assert (refund["reason"], refund["automatic"]) == ("out_of_stock", True)
    assert buyer.stock() == (1, 1)
    assert "payment.duplicate_refunded" not in history(payment["id"])


def test_a_late_success_of_a_cancelled_order_is_given_back(buyer, tea, expired, complete):
    tea(on_hand=1)
    payment = expired("tea-1")
    buyer.made("orders/tea-1/cancel")
    complete(payment)

    assert buyer.order("tea-1")["status"] == "cancelled"
    assert buyer.read(payment["id"])["status"] == "refunded"
    assert buyer.stock() == (1, 0)


def test_a_second_success_is_given_back_and_told(buyer, expired, paid, complete, stripe, history):
    first = expired()
    second = paid()
    complete(first)

    assert buyer.read(second["id"])["status"] == "succeeded"
    assert buyer.read(first["id"])["status"] == "refunded"
    assert buyer.order("order-1")["status"] == "payment_done"
    told = history(first["id"])
    assert told[-3:] == ["payment.succeeded", "payment.refunded", "payment.duplicate_refunded"]
    (refund,) = stripe.get("refunds")["data"]
    assert (refund["amount"], refund["reason"]) == (1999, "duplicate")


def test_news_about_a_duplicate_refund_it_once(buyer, expired, paid, complete, news, stripe):
    first = expired()
    paid()
    complete(first)
    for _ in range(3):
        news(first["id"])

    assert len(stripe.get("refunds")["data"]) == 1
    assert len(buyer.get(f"payments/{first['id']}/refunds")["data"]) == 1


def test_a_late_success_ends_the_attempt_that_followed(buyer, expired, opened, complete, stripe):
    first = expired()
    second = opened()
    complete(first)

    assert buyer.read(first["id"])["status"] == "succeeded"
    assert buyer.read(second["id"])["status"] == "cancelled"
    assert buyer.order("order-1")["status"] == "payment_done"
    assert {each["status"] for each in stripe.sessions(second["id"])} == {"expired"}


def test_a_duplicate_whose_refund_fails_is_shown_to_somebody(
    buyer, expired, paid, complete, later, news
):
    first = expired()
    paid()
    complete(first, card_number="4000000000005126")
    assert buyer.read(first["id"])["status"] == "refunded"
    later(3700)
    news(first["id"])

    assert buyer.read(first["id"])["status"] == "succeeded"
    assert buyer.ready()["checks"]["attention"]["needs_attention"]["refund"] == 1
    assert len(buyer.get(f"payments/{first['id']}/refunds")["data"]) == 1


def test_a_late_authorisation_is_let_go(buyer, expired, complete, stripe):
    payment = expired(capture_method="manual")
    late = complete(payment)

    assert late["status"] == "expired"
    (intent,) = stripe.get("payment_intents")["data"]
    assert intent["status"] == "canceled"


# Review.


@pytest.fixture
def review(opened, complete, buyer):
    def make(order_id="order-1", amount=2500, currency="eur"):
        payment = opened(order_id)
        seen = complete(payment, amount=amount, currency=currency)
        assert seen["status"] == "review"
        return seen

    return make


def decide(decision, payment):
    from gateway.kernel.db import transaction
    from gateway.payments.models import Resolution
    from gateway.settlement.review import resolve

    with transaction(actor="operator:test") as tx:
        resolve(tx, payment["id"], Resolution(decision))


def test_other_money_than_asked_for_fulfils_nothing(buyer, review, history):
    payment = review()

    assert buyer.order("order-1")["status"] == "payment_in_progress"
    assert payment["amount_captured"] == 2500
    assert history(payment["id"])[-1] == "payment.review"
    assert buyer.post("payments", {"order_id": "order-1"}).json["code"] == "payment_in_progress"
    assert buyer.post(f"payments/{payment['id']}/cancel").json["code"] == "payment_not_cancellable"
    assert buyer.post(f"payments/{payment['id']}/refunds").json["code"] == "payment_not_refundable"


def test_an_operator_accepts_what_stripe_reports(buyer, review, drain, news):
    payment = review()
    decide("accept", payment)
    drain()

    taken = buyer.read(payment["id"])
    assert (taken["status"], taken["amount"], taken["amount_captured"]) == ("succeeded", 1999, 2500)
    assert buyer.order("order-1")["status"] == "payment_done"
    assert news(payment["id"])["status"] == "succeeded"  # and goes on accepting it
    assert buyer.made(f"payments/{payment['id']}/refunds")["amount"] == 2500
    drain()
    assert buyer.read(payment["id"])["status"] == "refunded"


@pytest.mark.parametrize("currency", ["eur", "usd"])
def test_an_operator_gives_it_back(buyer, review, drain, stripe, currency):
    payment = review(currency=currency)
    decide("refund", payment)
    assert buyer.read(payment["id"])["status"] == "review"
    drain()

    given = buyer.read(payment["id"])
    assert (given["status"], given["amount_refunded"]) == ("refunded", 2500)
    assert buyer.order("order-1")["status"] == "payment_failed"
    (refund,) = buyer.get(f"payments/{payment['id']}/refunds")["data"]
    assert (refund["amount"], refund["currency"]) == (2500, currency.upper())


def test_the_order_of_a_reviewed_payment_may_be_cancelled(buyer, review, drain):
    payment = review()
    buyer.made("orders/order-1/cancel")
    assert buyer.order("order-1")["status"] == "payment_in_progress"
    decide("accept", payment)
    drain()

    assert buyer.order("order-1")["status"] == "cancelled"
    assert buyer.read(payment["id"])["status"] == "refunded"


def test_a_paid_order_stays_paid_when_its_payment_was_reviewed(buyer, paid, drain, news, sql):
    payment = paid()
    sql("UPDATE payments SET amount = amount + 1")
    assert news(payment["id"])["status"] == "review"
    decide("accept", payment)
    drain()

    assert buyer.read(payment["id"])["status"] == "succeeded"
    assert buyer.get(f"payments/{payment['id']}/refunds")["data"] == []
    assert buyer.order("order-1")["status"] == "payment_done"


def test_a_page_of_other_figures_can_be_closed(buyer, opened, news, drain, sql, stripe):
    payment = opened()
    sql("UPDATE payments SET amount = amount + 1")
    assert news(payment["id"])["status"] == "review"
    decide("refund", payment)
    drain()

    assert buyer.read(payment["id"])["status"] == "cancelled"
    assert [each["status"] for each in stripe.sessions()] == ["expired"]
    assert buyer.order("order-1")["status"] == "payment_failed"
