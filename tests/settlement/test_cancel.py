"""Cancelling: at once where Stripe never heard of it, with Stripe's proof where it did."""

import pytest
from tests_support import check_problem

from gateway.kernel.db import transaction
from gateway.kernel.due import claim
from gateway.payments.models import Payment
from gateway.processor import client as processor
from gateway.settlement.requests import session_request

ASYNC = {"method": "sepa_debit"}


def test_a_payment_stripe_never_heard_of_is_cancelled_at_once(buyer, stripe, drain, history):
    payment = buyer.buy()
    answer = buyer.post(f"payments/{payment['id']}/cancel")

    assert (answer.status_code, answer.json["status"]) == (202, "cancelled")
    drain()
    assert stripe.sessions() == []
    assert buyer.order("order-1")["status"] == "payment_failed"
    assert history(payment["id"]) == ["payment.created", "payment.cancelled"]
    assert buyer.post(f"payments/{payment['id']}/cancel").status_code == 200


def test_a_worker_that_was_about_to_ask_asks_no_more(buyer, stripe, drain):
    payment = buyer.buy()
    with transaction(actor="test:claim") as tx:
        claimed = claim(tx, Payment, payment["id"])
    buyer.made(f"payments/{payment['id']}/cancel")

    with transaction(actor="test:freeze") as tx:
        assert session_request(tx, claimed) is None
    drain()
    assert stripe.sessions() == []
    assert buyer.read(payment["id"])["next_check_at"] is None


def test_an_open_page_is_closed_before_the_payment_is_cancelled(
    buyer, opened, stripe, drain, history
):
    payment = opened()
    answer = buyer.post(f"payments/{payment['id']}/cancel")
    assert (answer.status_code, answer.json["status"]) == (202, "requires_action")
    assert answer.json["checkout_url"] is None
    assert answer.json["cancel_requested_at"] is not None
    assert buyer.post(f"payments/{payment['id']}/cancel").status_code == 202  # a double click
    drain()

    assert buyer.read(payment["id"])["status"] == "cancelled"
    assert [each["status"] for each in stripe.sessions(payment["id"])] == ["expired"]
    assert buyer.order("order-1")["status"] == "payment_failed"
    assert history(payment["id"])[-2:] == ["payment.updated", "payment.cancelled"]


def test_the_shopper_was_quicker(buyer, opened, stripe, drain):
    payment = opened()
    buyer.made(f"payments/{payment['id']}/cancel")
    stripe.pay(stripe.sessions(payment["id"])[0]["url"])
    drain()

    paid = buyer.read(payment["id"])
    assert (paid["status"], paid["cancel_requested_at"]) == ("succeeded", None)
    assert buyer.order("order-1")["status"] == "payment_done"


def test_held_money_is_let_go(buyer, paid, stripe, drain):
    payment = paid(capture_method="manual")
    buyer.made(f"payments/{payment['id']}/cancel")
    drain()

    assert buyer.read(payment["id"])["status"] == "cancelled"
    (intent,) = stripe.get("payment_intents")["data"]
    assert (intent["status"], intent["amount_capturable"]) == ("canceled", 0)


def test_money_that_was_held_just_before_the_page_could_be_closed_is_let_go(
    buyer, opened, stripe, drain
):
    payment = opened(capture_method="manual")
    buyer.made(f"payments/{payment['id']}/cancel")
    stripe.pay(stripe.sessions(payment["id"])[0]["url"])
    drain()

    assert buyer.read(payment["id"])["status"] == "cancelled"


@pytest.mark.parametrize(("outcome", "status"), [("failed", "failed"), ("succeeded", "succeeded")])
def test_while_the_bank_decides_a_cancel_is_a_wish(
    buyer, opened, stripe, drain, news, outcome, status
):
    payment = opened(**ASYNC)
    stripe.pay(payment["checkout_url"], iban="AT611904300234573201", method="sepa_debit")
    assert news(payment["id"])["status"] == "processing"
    answer = buyer.post(f"payments/{payment['id']}/cancel")
    assert (answer.status_code, answer.json["status"]) == (202, "processing")
    drain()
    assert buyer.read(payment["id"])["status"] == "processing"
    intent = stripe.sessions(payment["id"])[0]["payment_intent"]
    stripe.lever("POST", f"payment_intents/{intent}", status=outcome)

    assert news(payment["id"])["status"] == status
    done = "payment_done" if status == "succeeded" else "payment_failed"
    assert buyer.order("order-1")["status"] == done


def test_a_payment_that_was_asked_for_without_an_answer_is_learned_first(
    buyer, stripe, drain, later, monkeypatch
):
    stripe.faults(error_before=1.0)
    payment = buyer.buy()
    drain()
    answer = buyer.post(f"payments/{payment['id']}/cancel")
    assert answer.json["status"] == "pending"  # nobody knows yet whether it can be paid
    stripe.lever("DELETE", "faults")
    for _ in range(3):
        later(61)

    assert buyer.read(payment["id"])["status"] == "cancelled"
    assert {each["status"] for each in stripe.sessions(payment["id"])} <= {"expired"}


@pytest.mark.parametrize("state", ["succeeded", "refunded", "failed", "expired"])
def test_what_has_ended_is_not_cancelled_any_more(buyer, paid, opened, drain, later, state):
    if state == "failed":
        payment = buyer.buy(amount=10)  # less than Stripe takes
        drain()
    elif state == "expired":
        payment = opened()
        later(86400 + 60)
        later(1)
    else:
        payment = paid()
    if state == "refunded":
        buyer.made(f"payments/{payment['id']}/refunds")
        drain()
    assert buyer.read(payment["id"])["status"] == state

    told = check_problem(
        buyer.post(f"payments/{payment['id']}/cancel"), 409, "payment_not_cancellable"
    )
    assert f"is {state}" in told["detail"]
    assert "requires_action" in told["detail"]


def test_a_shopper_has_as_long_as_the_gateway_says(buyer, opened, stripe, later, monkeypatch):
    monkeypatch.setenv("GATEWAY_PAYMENT_TTL", "1800")
    monkeypatch.setenv("STRIPE_API_BASE", stripe.url)
    from tests_support import forget

    forget()
    payment = opened()
    later(1801)

    assert buyer.read(payment["id"])["status"] == "expired"
    assert stripe.sessions(payment["id"])[0]["status"] == "expired"
    assert buyer.order("order-1")["status"] == "payment_failed"


# Orders.


def test_an_unpaid_order_ends_at_once(buyer, tea):
    order = tea(on_hand=5, pieces=2)
    assert buyer.stock() == (5, 2)
    answer = buyer.post(f"orders/{order['id']}/cancel", {"reason": "Changed her mind"})

    assert (answer.status_code, answer.json["status"]) == (202, "cancelled")
    assert answer.json["reason"] == "Changed her mind"
    assert buyer.stock() == (5, 0)
    assert buyer.post("orders/tea-1/cancel").status_code == 200
    told = check_problem(buyer.post("payments", {"order_id": "tea-1"}), 409, "order_cancelled")
    assert "cancelled" in told["detail"]


def test_an_order_that_is_being_paid_ends_with_its_payment(buyer, tea, opened, drain, stripe):
    tea(on_hand=5)
    payment = opened("tea-1")
    answer = buyer.post("orders/tea-1/cancel")
    assert (answer.status_code, answer.json["status"]) == (202, "payment_in_progress")
    assert answer.json["cancel_requested_at"] is not None
    assert buyer.stock() == (5, 1)  # somebody may still pay
    drain()

    assert buyer.read(payment["id"])["status"] == "cancelled"
    assert buyer.order("tea-1")["status"] == "cancelled"
    assert buyer.order("tea-1")["reason"] == "requested"
    assert buyer.stock() == (5, 0)


def test_an_order_that_was_paid_while_it_was_cancelled_gives_the_money_back(
    buyer, tea, opened, stripe, drain, history
):
    tea(on_hand=5)
    payment = opened("tea-1")
    buyer.made("orders/tea-1/cancel", {"reason": "Too late"})
    stripe.pay(stripe.sessions(payment["id"])[0]["url"])
    drain()

    assert buyer.order("tea-1")["status"] == "cancelled"
    assert buyer.order("tea-1")["reason"] == "Too late"
    assert buyer.read(payment["id"])["status"] == "refunded"
    assert buyer.stock() == (5, 0)
    told = history(buyer.order("tea-1")["id"])
    assert told[-2:] == ["order.updated", "order.cancelled"]


def test_cancelling_a_paid_order_refunds_restocks_and_cancels(buyer, tea, paid, drain, sql):
    tea(on_hand=5, pieces=2)
    payment = paid("tea-1", amount=3998)
    assert buyer.order("tea-1")["status"] == "packaging"
    assert buyer.stock() == (3, 0)
    buyer.made(f"payments/{payment['id']}/refunds", {"amount": 998})
    drain()
    answer = buyer.post("orders/tea-1/cancel")

    assert (answer.status_code, answer.json["status"]) == (202, "cancelled")
    assert buyer.stock() == (5, 0)
    drain()
    assert buyer.read(payment["id"])["status"] == "refunded"
    found = buyer.get(f"payments/{payment['id']}/refunds")["data"]
    assert sorted((each["amount"], each["automatic"]) for each in found) == [
        (998, False),
        (3000, True),
    ]


def test_a_refund_that_fails_later_does_not_bring_the_order_back(buyer, paid, drain, later, news):
    payment = paid(card="4000000000005126")
    buyer.made("orders/order-1/cancel")
    drain()
    assert buyer.read(payment["id"])["status"] == "refunded"
    later(3700)
    news(payment["id"])

    assert buyer.order("order-1")["status"] == "cancelled"
    assert buyer.read(payment["id"])["status"] == "succeeded"
    timeline = buyer.get(f"payments/{payment['id']}/timeline")
    assert "refund of 1999 EUR of payment" in timeline["needs_attention"]
    assert len(buyer.get(f"payments/{payment['id']}/refunds")["data"]) == 1  # not repeated
    buyer.made(f"payments/{payment['id']}/refunds")  # by hand
    assert news(payment["id"])["status"] == "refunded"
    assert buyer.get(f"payments/{payment['id']}/timeline")["needs_attention"] is None


def test_an_order_nobody_pays_expires_and_gives_its_stock_back(buyer, tea, later, history):
    order = tea(on_hand=5)
    assert order["expires_at"] is not None
    later(3599)
    assert buyer.order("tea-1")["status"] == "created"
    later(2)

    expired = buyer.order("tea-1")
    assert (expired["status"], expired["reason"]) == ("cancelled", "expired")
    assert expired["expires_at"] is None
    assert buyer.stock() == (5, 0)
    assert history(order["id"]) == ["order.created", "order.cancelled"]


def test_an_order_that_is_being_paid_does_not_expire(buyer, tea, opened, later):
    tea(on_hand=5)
    opened("tea-1")
    assert buyer.order("tea-1")["expires_at"] is None
    later(7200)

    assert buyer.order("tea-1")["status"] == "payment_in_progress"
    assert buyer.stock() == (5, 1)


def test_after_a_failed_payment_the_hour_begins_anew(buyer, tea, opened, drain, later):
    tea(on_hand=5)
    payment = opened("tea-1")
    buyer.made(f"payments/{payment['id']}/cancel")
    drain()
    failed = buyer.order("tea-1")
    assert (failed["status"], buyer.stock()) == ("payment_failed", (5, 0))
    later(3601)

    assert buyer.order("tea-1")["reason"] == "expired"


def test_a_session_is_expired_with_a_key_of_its_own_claim(opened, buyer, drain, monkeypatch):
    keys, honest = [], processor.expire_session

    def watched(session_id, *, idempotency_key):
        keys.append(idempotency_key)
        return honest(session_id, idempotency_key=idempotency_key)

    monkeypatch.setattr(processor, "expire_session", watched)
    payment = opened()
    buyer.made(f"payments/{payment['id']}/cancel")
    drain()

    assert len(keys) == 1
    assert keys[0].startswith(f"expire:{payment['id']}:")
