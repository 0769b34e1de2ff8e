"""Held money is captured once, whole or in part, by us or in Stripe's own dashboard."""

import pytest
from tests_support import check_problem

CLOCK_WEEK = 8 * 86400


@pytest.fixture
def held(paid):
    def make(order_id="order-1", **changes):
        payment = paid(order_id, capture_method="manual", **changes)
        assert payment["status"] == "authorized"
        return payment

    return make


def test_a_capture_with_an_empty_body_takes_all(buyer, held, drain, history):
    payment = held()
    answer = buyer.client.post(
        f"/api/v1/payments/{payment['id']}/capture", headers=buyer.shop.headers
    )
    assert (answer.status_code, answer.json["status"], answer.json["amount"]) == (
        201,
        "pending",
        1999,
    )
    drain()

    capture = buyer.get(f"captures/{answer.json['id']}")
    paid = buyer.read(payment["id"])
    assert (capture["status"], capture["payment_id"]) == ("succeeded", payment["id"])
    assert (paid["status"], paid["amount_captured"]) == ("succeeded", 1999)
    assert buyer.order("order-1")["status"] == "payment_done"
    assert history(capture["id"]) == ["capture.created", "capture.succeeded"]
    assert history(payment["id"])[-2:] == ["payment.authorized", "payment.succeeded"]


def test_a_part_is_captured_and_the_rest_let_go(buyer, held, drain, stripe):
    payment = held()
    buyer.made(f"payments/{payment['id']}/capture", {"amount": 500})
    drain()

    paid = buyer.read(payment["id"])
    assert (paid["status"], paid["amount_captured"]) == ("succeeded", 500)
    (at_stripe,) = stripe.lever("GET", "state")["sessions"]
    assert at_stripe["amount_received"] == 500


def test_a_full_refund_of_a_part_that_was_captured_ends_refunded(buyer, held, drain):
    payment = held()
    buyer.made(f"payments/{payment['id']}/capture", {"amount": 500})
    drain()
    refund = buyer.made(f"payments/{payment['id']}/refunds", {"reason": "Customer requested"})
    drain()

    assert (refund["amount"], refund["reason"]) == (500, "Customer requested")
    given = buyer.read(payment["id"])
    assert (given["status"], given["amount_refunded"]) == ("refunded", 500)


def test_what_cannot_be_captured_says_why(buyer, held, opened, paid):
    live, done = opened("order-2"), paid("order-3")
    for payment, state in ((live, "requires_action"), (done, "succeeded")):
        told = check_problem(
            buyer.post(f"payments/{payment['id']}/capture"), 409, "payment_not_capturable"
        )
        assert state in told["detail"]
        assert "authorized" in told["detail"]
    payment = held()
    told = check_problem(
        buyer.post(f"payments/{payment['id']}/capture", {"amount": 2000}),
        409,
        "capture_exceeds_authorized",
    )
    assert "1999" in told["detail"]
    check_problem(buyer.post(f"payments/{payment['id']}/capture", {"amount": 0}), 422)


def test_one_capture_at_a_time_and_one_in_all(buyer, held, drain):
    payment = held()
    path = f"payments/{payment['id']}/capture"
    buyer.made(path, {"amount": 500})
    check_problem(buyer.post(path, {"amount": 500}), 409, "capture_pending")
    check_problem(buyer.post(f"payments/{payment['id']}/cancel"), 409, "capture_pending")
    check_problem(buyer.post("orders/order-1/cancel"), 409, "capture_pending")
    drain()
    told = check_problem(buyer.post(path), 409, "payment_not_capturable")
    assert "captured already" in told["detail"]


def test_a_payment_that_is_being_cancelled_is_not_captured(buyer, held):
    payment = held()
    buyer.made(f"payments/{payment['id']}/cancel")

    told = check_problem(
        buyer.post(f"payments/{payment['id']}/capture"), 409, "payment_not_capturable"
    )
    assert "cancellation" in told["detail"]


def test_a_capture_made_at_stripe_becomes_a_row(buyer, held, stripe, news):
    payment = held()
    intent = stripe.sessions(payment["id"])[0]["payment_intent"]
    stripe.post(f"payment_intents/{intent}/capture", amount_to_capture=700)
    seen = news(payment["id"])

    assert (seen["status"], seen["amount_captured"]) == ("succeeded", 700)
    (capture,) = buyer.get(f"payments/{payment['id']}/captures")["data"]
    assert (capture["status"], capture["amount"]) == ("succeeded", 700)


def test_a_capture_that_another_forestalled_has_failed(buyer, held, stripe, drain):
    payment = held()
    intent = stripe.sessions(payment["id"])[0]["payment_intent"]
    ours = buyer.made(f"payments/{payment['id']}/capture", {"amount": 1000})
    stripe.post(f"payment_intents/{intent}/capture", amount_to_capture=700)
    drain()

    assert buyer.get(f"captures/{ours['id']}")["status"] == "failed"
    assert buyer.get(f"captures/{ours['id']}")["failure"]["code"]
    found = buyer.get(f"payments/{payment['id']}/captures")["data"]
    assert sorted((each["status"], each["amount"]) for each in found) == [
        ("failed", 1000),
        ("succeeded", 700),
    ]
    assert buyer.read(payment["id"])["amount_captured"] == 700


def test_money_that_nobody_captures_falls_back(buyer, held, later, history):
    payment = held()
    capture_too_late = f"payments/{payment['id']}/capture"
    later(CLOCK_WEEK)
    asked = buyer.made(capture_too_late)  # no news have come yet
    later(1)

    assert buyer.get(f"captures/{asked['id']}")["status"] == "failed"
    assert buyer.read(payment["id"])["status"] == "expired"
    assert buyer.order("order-1")["status"] == "payment_failed"
    check_problem(buyer.post(capture_too_late), 409, "payment_not_capturable")
    assert history(payment["id"])[-1] == "payment.expired"


@pytest.mark.parametrize("method", ["upi", "sepa_debit"])
def test_what_cannot_be_held_cannot_be_captured_later(buyer, method):
    body = {"order_id": "o", "amount": 1000, "currency": "INR" if method == "upi" else "EUR"}
    asked = body | {"method": method, "capture_method": "manual"}
    told = check_problem(buyer.post("payments", asked), 422)
    assert told["errors"][0]["param"] == "capture_method"
