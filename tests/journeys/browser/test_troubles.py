"""What goes wrong between click and thanks: still one call back, and nobody is told a lie."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from gateway.dev.walk import wait_for

from .conftest import pay

HOSTED = re.compile("/c/pay/")
API = re.compile("/api/v1/checkout")


def test_a_double_click_is_one_payment_and_one_call(shopper):
    shopper.come()
    with shopper.page.expect_popup() as opening:
        shopper.page.evaluate(
            "() => { const b = document.getElementById('pay'); b.click(); b.click(); }"
        )
    opening.value.wait_for_url(HOSTED)
    pay(opening.value)

    assert shopper.outcome()[0] == "success"
    assert len(shopper.payments()) == 1
    assert len(shopper.context.pages) == 1


def test_loading_the_script_twice_is_harmless(shopper, shop):
    shop.more = f'<script src="{shop.gateway}/checkout.js"></script>' * 2
    pay(shopper.come().open_to_stripe())

    assert shopper.outcome()[0] == "success"
    assert len(shopper.payments()) == 1


def test_a_window_closed_early_is_not_a_cancelled_payment(shopper):
    shopper.come().open_to_stripe().close()
    shopper.says("closed or out of sight")
    assert shopper.calls == []

    with shopper.page.expect_popup() as again:
        shopper.press("Open the payment window")
    again.value.wait_for_url(HOSTED)
    pay(again.value)

    assert shopper.outcome()[0] == "success"
    assert len(shopper.payments()) == 1


def test_paid_and_the_window_closed_before_the_news(shopper, stack):
    stack.faults(drop_webhooks=1.0)
    window = shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    stack.pay(shopper.payments()[0]["checkout_url"])
    window.close()

    assert shopper.outcome()[0] == "success"


def test_a_late_webhook_delays_nobody(shopper, stack):
    stack.faults(drop_webhooks=1.0)
    pay(shopper.come().open_to_stripe())

    assert shopper.outcome()[0] == "success"


def test_a_reload_while_paying_goes_on(shopper):
    window = shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    shopper.page.reload()
    shopper.says("closed or out of sight")
    pay(window)

    assert shopper.outcome()[0] == "success"
    assert shopper.page.evaluate("PaymentGateway.resume(window.options)") is None


def test_left_and_resumed(shopper):
    shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    shopper.page.evaluate("window.checkout.close()")

    left = shopper.page.evaluate("window.ended")

    assert (left["outcome"], left["code"]) == ("open", "left_open")
    assert shopper.calls == [("close", {"reason": "api"})]
    shopper.page.evaluate("window.calls = []; PaymentGateway.resume(window.options); undefined")
    with shopper.page.expect_popup() as again:
        shopper.press("Open the payment window")
    again.value.wait_for_url(HOSTED)
    pay(again.value)
    assert shopper.outcome()[0] == "success"


def test_the_back_button_leads_back_to_the_payment(shopper):
    shopper.come(mode="redirect")
    shopper.click()
    shopper.page.wait_for_url(HOSTED)
    shopper.page.go_back()
    shopper.press("Open the payment window")
    shopper.page.wait_for_url(HOSTED)
    pay(shopper.page)
    shopper.page.wait_for_url(re.compile(re.escape(shopper.shop.url)))

    assert shopper.outcome()[0] == "success"
    assert len(shopper.payments()) == 1


def test_two_tabs_one_payment_and_only_the_first_may_cancel(shopper, another):
    window = shopper.come().open_to_stripe()
    second = another()
    second.page.goto(shopper.shop.url)
    second.open_to_stripe()
    second.says("Please pay in the window")
    dialog = second.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Close")).to_be_visible()
    expect(dialog.get_by_role("button", name="Cancel payment")).to_have_count(0)
    pay(window)

    assert shopper.outcome()[0] == "success"
    assert second.outcome()[0] == "success"
    assert len(shopper.payments()) == 1


def test_a_slow_worker_is_waited_for(shopper, stack):
    pid = stack.supervisor.pid("worker-stripe")
    shopper.come()
    stack.pause(pid)
    try:
        window = shopper.open()
        expect(window.get_by_role("heading")).to_have_text("Opening the payment page…")
        shopper.says("Please pay in the window")
        shopper.page.wait_for_timeout(10_000)
        assert shopper.calls == []
    finally:
        stack.resume(pid)
    window.wait_for_url(HOSTED)
    pay(window)

    assert shopper.outcome()[0] == "success"


def test_a_gateway_that_fails_and_a_line_that_breaks(shopper):
    shopper.come()
    fails = {"on": True}
    shopper.context.route(
        API,
        lambda route: route.fulfill(status=500, body="{}") if fails["on"] else route.continue_(),
    )
    window = shopper.open()
    shopper.says("No connection")
    expect(window.get_by_text("No connection")).to_be_visible()
    shopper.page.wait_for_timeout(5_000)
    shopper.context.set_offline(True)
    fails["on"] = False
    shopper.page.wait_for_timeout(5_000)
    assert shopper.calls == []
    shopper.context.set_offline(False)
    window.wait_for_url(HOSTED)
    pay(window)

    assert shopper.outcome(seconds=40)[0] == "success"
    assert len(shopper.payments()) == 1


@pytest.fixture(autouse=True)
def no_faults(stack):
    yield
    stack.faults()


@pytest.mark.parametrize("policy", ["same-origin", "same-origin-allow-popups"])
def test_a_provider_that_cuts_the_window_off(shopper, stack, policy):
    """Stripe's page may isolate itself: then the window cannot be seen, and is not gone."""
    stack.faults(page_coop=policy)
    window = shopper.come().open_to_stripe()
    shopper.says("closed or out of sight")
    assert not window.is_closed()
    pay(window)

    assert shopper.outcome()[0] == "success"
    shopper.page.wait_for_timeout(2_000)
    assert window.is_closed() or window.url.startswith(f"{stack.url}/pay/")


@pytest.mark.parametrize("policy", ["same-origin", "same-origin-allow-popups"])
def test_a_shop_that_isolates_itself(shopper, shop, policy):
    shop.headers["Cross-Origin-Opener-Policy"] = policy
    shopper.come()
    shopper.click()

    def opened():
        shopper.page.wait_for_timeout(50)
        return shopper.context.pages[1:]

    wait_for("a window", opened, seconds=15)
    window = shopper.context.pages[-1]
    window.wait_for_url(HOSTED)
    pay(window)

    assert shopper.outcome()[0] == "success"


def test_a_shop_with_a_strict_policy(shopper, shop):
    allowed = f"script-src 'self' {shop.gateway}; connect-src {shop.gateway}"
    shop.headers["Content-Security-Policy"] = f"default-src 'none'; {allowed}"
    pay(shopper.come().open_to_stripe())

    assert shopper.outcome()[0] == "success"


def test_a_page_that_is_not_allowed_is_told_so(shopper, stack, shop):
    shopper.come()
    origins = stack.call("GET", "merchant").json()["allowed_origins"]
    stack.call("PATCH", "merchant", json={"allowed_origins": [o for o in origins if o != shop.url]})
    try:
        shopper.click()
        name, failure = shopper.outcome()
    finally:
        stack.call("PATCH", "merchant", json={"allowed_origins": origins})

    assert (name, failure["code"]) == ("failure", "origin_not_allowed")
    assert shopper.payments() == []


def test_closed_while_connecting_nothing_follows(shopper):
    shopper.come()
    held = []
    shopper.page.route(API, lambda route: held.append(route))
    window = shopper.open()
    wait_for("the request", lambda: shopper.page.wait_for_timeout(50) or held, seconds=10)
    shopper.press("Close")
    held[0].continue_()
    shopper.page.wait_for_timeout(1_000)

    assert shopper.calls == [("close", {"reason": "user"})]
    assert shopper.page.url.startswith(shopper.shop.url)
    assert window.is_closed()


def test_escape_again_and_again_does_not_lose_the_dialog(shopper):
    shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    for _ in range(5):
        shopper.page.keyboard.press("Escape")
    expect(shopper.page.get_by_role("dialog")).to_be_visible()
    assert shopper.calls == []


def test_a_page_shut_out_while_paying_is_not_told_that_it_failed(shopper, stack, shop):
    window = shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    origins = stack.call("GET", "merchant").json()["allowed_origins"]
    stack.call("PATCH", "merchant", json={"allowed_origins": [o for o in origins if o != shop.url]})
    try:
        shopper.says("No connection")
        assert shopper.calls == []
        assert not window.is_closed()
    finally:
        stack.call("PATCH", "merchant", json={"allowed_origins": origins})
    pay(window)

    assert shopper.outcome()[0] == "success"


def test_a_promise_broken_without_a_word(shopper):
    shopper.come()
    shopper.page.evaluate("options.orderId = Promise.reject(); 0")
    shopper.click()

    name, failure = shopper.outcome()

    assert (name, failure["code"]) == ("failure", "order_not_made")


def test_a_shop_that_trusts_no_markup(shopper, shop):
    shop.headers["Content-Security-Policy"] = "require-trusted-types-for 'script'"
    pay(shopper.come().open_to_stripe())

    assert shopper.outcome()[0] == "success"


def test_a_forged_message_changes_nothing(shopper):
    shopper.come().open_to_stripe()
    shopper.says("Please pay in the window")
    shopper.page.evaluate(
        """() => { for (const data of [{pg: "look", outcome: "succeeded"}, null, "x", {nonce: 1}])
             window.postMessage(data, "*"); }"""
    )
    shopper.page.evaluate(
        """() => { sessionStorage.pgCheckout = JSON.stringify(
             {...JSON.parse(sessionStorage.pgCheckout), outcome: "succeeded"}) }"""
    )
    shopper.page.wait_for_timeout(500)

    assert shopper.calls == []
    shopper.says("Please pay in the window")
    assert [payment["status"] for payment in shopper.payments()] == ["requires_action"]


def test_a_secret_key_is_refused_at_once(shopper):
    shopper.come()

    said = shopper.page.evaluate(
        """() => { try { new PaymentGateway({key: "secret_test_xyz789", orderId: "ord_1"}) }
                   catch (e) { return [e.name, e.code, e.message] } }"""
    )

    assert said[:2] == ["TypeError", "secret_in_browser"]
    assert "xyz789" not in said[2]


def test_a_fault_in_the_shops_own_function_is_its_own(shopper):
    shopper.come()
    errors = []
    shopper.page.on("pageerror", lambda error: errors.append(str(error)))
    shopper.page.evaluate(
        """() => { window.options.onSuccess = (result) => {
             window.calls.push(["success", result]); throw Error("mine") } }"""
    )
    with shopper.page.expect_popup() as opening:
        shopper.click()
    opening.value.wait_for_url(HOSTED)
    pay(opening.value)

    assert shopper.outcome()[0] == "success"
    assert any("mine" in error for error in errors)
    expect(shopper.page.get_by_role("dialog")).to_have_count(0)


def test_the_amount_in_the_page_is_not_what_is_charged(shopper):
    shopper.come()
    shopper.page.evaluate("window.options.amount = 1; window.options.currency = 'JPY'")
    window = shopper.open_to_stripe()

    expect(window.get_by_role("heading", name="€49.00")).to_be_visible()


def test_a_window_without_a_word_does_nothing(context, stack):
    page = context.new_page()
    for words in ("#garbage", "#null", "#" + quote('{"id": "x"}')):
        page.goto(f"{stack.url}/pay/wait{words}")
        expect(page.get_by_role("heading")).to_have_text("This is not a payment link of ours")
        page.goto("about:blank")
