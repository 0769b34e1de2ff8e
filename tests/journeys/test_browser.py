"""A shopper with a browser, on the payment page that a link leads to."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.journey, pytest.mark.browser]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(15_000)
    yield page
    page.close()


def test_upi_is_paid_on_a_page_that_knows_the_address(stack, page):
    body = {
        "order_id": "browser-upi",
        "amount": 49900,
        "currency": "INR",
        "method": "upi",
        "vpa": "asha@upi",
    }
    payment = stack.call("POST", "payments", json=body).json()
    page.goto(stack.until(payment["id"], "requires_action")["checkout_url"])

    expect(page.get_by_role("textbox", name="UPI")).to_have_value("asha@upi")
    page.get_by_role("button", name=re.compile("^Pay")).click()

    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    stack.until(payment["id"], "succeeded", seconds=10)
