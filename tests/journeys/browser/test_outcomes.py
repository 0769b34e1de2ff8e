"""How a payment can end: each time one call back to the shop, and the order where it belongs."""

import hashlib
import hmac
import re

import pytest
from playwright.sync_api import expect

from gateway.dev.seed import SECRET

from .conftest import pay


def verified(result):
    key = hmac.digest(SECRET.encode(), b"checkout-result", "sha256")
    names = ("orderId", "paymentId", "status", "amount", "currency")
    signed = "|".join(str(result[name]) for name in names)
    return result["signature"] == hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()


def test_paid(shopper):
    window = shopper.come().open_to_stripe()
    pay(window)

    name, result = shopper.outcome()

    assert name == "success"
    assert (result["outcome"], result["status"]) == ("succeeded", "succeeded")
    assert (result["orderId"], result["amount"]) == (shopper.order["id"], 4900)
    assert verified(result)
    assert window.is_closed()
    assert shopper.page.evaluate("window.ended") == result
    assert shopper.page.evaluate("document.activeElement.id") == "pay"
    shopper.order_is("payment_done")


def test_the_shop_has_heard_before_the_shopper_is_thanked(shopper, stack):
    pay(shopper.come().open_to_stripe())

    shopper.outcome()

    heard = stack.heard(order_id=shopper.order["id"], type="order.payment_done")
    assert [callback["verified"] for callback in heard] == [True]


def test_declined_and_then_paid_is_one_success(shopper):
    window = shopper.come().open_to_stripe()
    pay(window, "4000000000000002")
    expect(window.get_by_role("alert")).to_be_visible()
    pay(window)

    name, _ = shopper.outcome()

    assert name == "success"
    assert len(shopper.payments()) == 1


def test_3d_secure(shopper):
    window = shopper.come().open_to_stripe()
    pay(window, "4000002760003184")
    window.get_by_role("button", name=re.compile("^Complete")).click()

    assert shopper.outcome()[0] == "success"


def test_cancelled_by_the_shopper(shopper):
    window = shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    shopper.press("Cancel payment")
    shopper.says("Give up this payment?")
    shopper.press("Cancel payment")

    name, failure = shopper.outcome()

    assert (name, failure["outcome"], failure["code"]) == (
        "failure",
        "cancelled",
        "payment_cancelled",
    )
    assert failure["recoverable"]
    assert window.is_closed()
    assert [payment["status"] for payment in shopper.payments()] == ["cancelled"]
    shopper.order_is("payment_failed")


def test_a_second_thought_about_cancelling(shopper):
    window = shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    shopper.press("Cancel payment")
    shopper.press("Go on paying")
    shopper.says("Please pay in the window")
    pay(window)

    assert shopper.outcome()[0] == "success"


def test_paid_while_cancelling_is_a_success(shopper, stack):
    """Stripe has the money and we have not heard of it: its page cannot be closed any more."""
    window = shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    shopper.press("Cancel payment")
    shopper.says("Give up this payment?")
    stack.faults(drop_webhooks=1.0)
    stack.pay(shopper.payments()[0]["checkout_url"])
    shopper.press("Cancel payment")

    name, result = shopper.outcome()
    stack.faults()

    assert (name, result["status"]) == ("success", "succeeded")
    assert window.is_closed()


def test_expired(shopper, stack):
    shopper.come().open_to_stripe()
    stack.expire(shopper.payments()[0]["checkout_url"])

    name, failure = shopper.outcome()

    assert (name, failure["code"]) == ("failure", "session_expired")
    shopper.order_is("payment_failed")


def test_a_slow_bank_is_pending_and_never_a_failure(shopper):
    window = shopper.come(order={"currency": "INR"}).open_to_stripe()
    window.get_by_text("UPI", exact=True).click()
    window.get_by_role("textbox", name="UPI ID").fill("pending@upi")
    window.get_by_role("button", name=re.compile("^Pay")).click()

    name, result = shopper.outcome()

    assert (name, result["outcome"], result["status"]) == ("pending", "pending", "processing")
    assert verified(result)


def test_after_a_failure_the_same_order_can_be_paid(shopper):
    shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    shopper.press("Cancel payment")
    shopper.press("Cancel payment")
    shopper.outcome()
    shopper.page.evaluate("window.calls = []")

    pay(shopper.open_to_stripe())

    assert shopper.outcome()[0] == "success"
    assert sorted(payment["status"] for payment in shopper.payments()) == ["cancelled", "succeeded"]


def test_a_paid_order_is_not_paid_again(shopper):
    pay(shopper.come().open_to_stripe())
    shopper.outcome()
    shopper.page.evaluate("window.calls = []")
    shopper.click()

    name, failure = shopper.outcome()

    assert (name, failure["code"], failure["recoverable"]) == (
        "failure",
        "order_already_paid",
        False,
    )


def test_an_order_that_is_promised(shopper):
    window = shopper.come(orderId="slow").open()
    expect(window.get_by_role("heading")).to_have_text("Connecting…")
    shopper.page.evaluate("window.made()")
    window.wait_for_url(re.compile("/c/pay/"))
    pay(window)

    assert shopper.outcome()[0] == "success"


def test_a_promise_that_is_broken(shopper):
    shopper.come()
    shopper.page.evaluate("window.options.orderId = Promise.reject(new Error('sold out')); 0")
    shopper.click()

    name, failure = shopper.outcome()

    assert (name, failure["code"], failure["message"]) == ("failure", "order_not_made", "sold out")


@pytest.mark.parametrize("mode", ["redirect", "auto"])
def test_without_a_window_the_shopper_is_led_there_and_back(shopper, mode):
    shopper.come(mode=mode)
    if mode == "auto":
        shopper.page.evaluate("window.open = () => null")
    shopper.click()
    shopper.page.wait_for_url(re.compile("/c/pay/"))
    pay(shopper.page)
    shopper.page.wait_for_url(re.compile(re.escape(shopper.shop.url)))

    assert "signature=" in shopper.page.url
    name, result = shopper.outcome()

    assert (name, result["status"]) == ("success", "succeeded")
    assert verified(result)


def test_buttons_wire_themselves(shopper):
    shopper.come()
    shopper.page.evaluate(
        """(order) => {
        document.body.insertAdjacentHTML("beforeend",
          `<button id="own" data-pg-key="key_test_abc123" data-pg-order="${order}">Own</button>`);
        document.addEventListener("pg:success", (e) => window.calls.push(["pg:success", e.detail]));
        document.addEventListener("pg:close", (e) => window.calls.push(["close", e.detail]));
        }""",
        shopper.order["id"],
    )
    with shopper.page.expect_popup() as opening:
        shopper.page.click("#own")
    opening.value.wait_for_url(re.compile("/c/pay/"))
    pay(opening.value)

    name, result = shopper.outcome()

    assert (name, result["outcome"]) == ("pg:success", "succeeded")
