"""The next attempt: after one that failed at once, in place of a live one when that has ended."""

import pytest
from tests_support import check_problem


def retry(buyer, payment):
    return buyer.made(f"payments/{payment['id']}/retry")


def live_sessions(stripe):
    return [each for each in stripe.sessions() if each["status"] == "open"]


@pytest.fixture
def failed(buyer, opened, drain):
    def make(order_id="order-1", **changes):
        payment = opened(order_id, **changes)
        buyer.made(f"payments/{payment['id']}/cancel")
        drain()
        return buyer.read(payment["id"])

    return make


def test_after_a_failed_payment_the_next_begins_with_its_parameters(buyer, failed, stripe, drain):
    first = failed(metadata={"cart": "7"}, return_url="https://shop.example/done", method="card")
    second = retry(buyer, first)

    assert (second["status"], second["attempt"], second["order_id"]) == (
        "pending",
        2,
        first["order_id"],
    )
    assert (second["metadata"], second["method"]) == ({"cart": "7"}, "card")
    assert second["client_secret"]
    assert buyer.order("order-1")["status"] == "payment_in_progress"
    drain()
    stripe.pay(buyer.read(second["id"])["checkout_url"])
    drain()
    assert len(live_sessions(stripe)) == 0


def test_a_live_payment_is_superseded_when_it_has_ended(buyer, opened, stripe, drain, history):
    first = opened()
    second = retry(buyer, first)
    waiting = buyer.read(second["id"])
    assert (waiting["status"], waiting["next_check_at"]) == ("pending", None)
    assert buyer.order("order-1")["status"] == "payment_in_progress"
    assert len(live_sessions(stripe)) == 1
    drain()

    assert buyer.read(first["id"])["status"] == "cancelled"
    assert buyer.read(second["id"])["status"] == "requires_action"
    (session,) = live_sessions(stripe)
    assert session["client_reference_id"] == second["id"]
    assert history(first["order_id"]) == ["order.created", "order.payment_in_progress"]


def test_one_that_was_never_asked_for_is_superseded_at_once(buyer, stripe, drain):
    first = buyer.buy()
    second = retry(buyer, first)

    assert buyer.read(first["id"])["status"] == "cancelled"
    assert second["next_check_at"] is not None
    drain()
    assert len(stripe.sessions()) == 1


@pytest.mark.parametrize("capture_method", ["automatic", "manual"])
def test_if_the_old_one_is_paid_after_all_that_wins(
    buyer, opened, stripe, drain, history, capture_method
):
    first = opened(capture_method=capture_method)
    second = retry(buyer, first)
    stripe.pay(first["checkout_url"])
    drain()

    won = buyer.read(first["id"])
    assert won["status"] == ("succeeded" if capture_method == "automatic" else "authorized")
    assert won["cancel_requested_at"] is None
    assert buyer.read(second["id"])["status"] == "cancelled"
    assert len(stripe.sessions()) == 1
    assert history(second["id"]) == ["payment.created", "payment.cancelled"]


def test_a_payment_that_is_being_cancelled_can_be_followed(buyer, opened, drain):
    first = opened()
    buyer.made(f"payments/{first['id']}/cancel")
    told = check_problem(
        buyer.post("payments", {"order_id": "order-1"}), 409, "payment_in_progress"
    )
    assert "being cancelled" in told["detail"]
    second = retry(buyer, first)
    drain()

    assert buyer.read(first["id"])["status"] == "cancelled"
    assert buyer.read(second["id"])["status"] == "requires_action"


def test_a_double_click_makes_one_attempt(buyer, opened, failed):
    first = opened()
    second = retry(buyer, first)
    told = check_problem(buyer.post(f"payments/{first['id']}/retry"), 409, "payment_not_retryable")
    assert second["id"] in told["detail"]
    third = failed("order-2")
    fourth = retry(buyer, third)
    told = check_problem(buyer.post(f"payments/{third['id']}/retry"), 409, "payment_not_retryable")
    assert fourth["id"] in told["detail"]


def test_the_waiting_one_can_be_cancelled_or_retried_itself(buyer, opened, drain, stripe):
    first = opened()
    second = retry(buyer, first)
    third = retry(buyer, second)
    assert buyer.read(second["id"])["status"] == "cancelled"
    assert third["next_check_at"] is None  # the first has not ended yet
    buyer.made(f"payments/{third['id']}/cancel")
    assert buyer.read(third["id"])["status"] == "cancelled"
    drain()

    assert buyer.read(first["id"])["status"] == "cancelled"
    assert buyer.order("order-1")["status"] == "payment_failed"
    assert live_sessions(stripe) == []


def test_what_cannot_be_retried_says_why(buyer, paid, opened, stripe, news, drain):
    done = paid("order-1")
    held = paid("order-2", capture_method="manual")
    slow = opened("order-3", method="sepa_debit")
    stripe.pay(slow["checkout_url"], iban="AT611904300234573201", method="sepa_debit")
    news(slow["id"])
    gone = opened("order-4")
    buyer.made("orders/order-4/cancel")
    for payment, why in (
        (done, "payment_done"),
        (held, "authorized"),
        (slow, "processing"),
        (gone, "being cancelled"),
    ):
        told = check_problem(
            buyer.post(f"payments/{payment['id']}/retry"), 409, "payment_not_retryable"
        )
        assert why in told["detail"]
    drain()
    told = check_problem(buyer.post(f"payments/{gone['id']}/retry"), 409, "payment_not_retryable")
    assert "cancelled" in told["detail"]


def test_a_retry_reserves_the_stock_again_or_is_refused(buyer, tea, failed):
    tea(on_hand=1)
    first = failed("tea-1")
    assert buyer.stock() == (1, 0)
    other = tea("tea-2")
    told = check_problem(buyer.post(f"payments/{first['id']}/retry"), 409, "out_of_stock")
    assert "'tea'" in told["detail"]
    check_problem(buyer.post("payments", {"order_id": "tea-1"}), 409, "out_of_stock")
    assert buyer.order("tea-1")["status"] == "payment_failed"
    buyer.made(f"orders/{other['id']}/cancel")
    retry(buyer, first)

    assert buyer.stock() == (1, 1)


def test_cancelling_the_order_ends_the_waiting_one_too(buyer, opened, drain):
    first = opened()
    second = retry(buyer, first)
    buyer.made("orders/order-1/cancel")
    drain()

    assert buyer.read(second["id"])["status"] == "cancelled"
    assert buyer.order("order-1")["status"] == "cancelled"
