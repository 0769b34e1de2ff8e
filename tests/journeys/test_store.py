"""A shopper with a browser in the demo store: the widget, the payment link, the way back."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

PAID = "Paid, and being packed"
PAYMENT_PAGE = re.compile("/c/pay/cs_test_")

pytestmark = [pytest.mark.journey, pytest.mark.browser]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(15_000)
    yield page
    page.close()


def fill_card(page, number):
    page.get_by_label("Email").fill("shopper@example.com")
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Month").fill("12")
    page.get_by_label("Year").fill("34")
    page.get_by_label("CVC").fill("123")
    page.get_by_role("button", name=re.compile("^Pay")).click()


def pay_by_upi(page, address):
    page.get_by_role("textbox", name="UPI").fill(address)
    page.get_by_role("button", name=re.compile("^Pay")).click()


def fill_cart(stack, page):
    page.goto(stack.store)
    page.locator("[data-sku=KF-CHAI]").get_by_role("button", name="Add to cart").click()


def opened(page, button):
    """The payment page in its window."""
    with page.expect_popup() as found:
        page.get_by_role("button", name=button, exact=True).click()
    expect(found.value).to_have_url(PAYMENT_PAGE)
    return found.value


def test_a_shopper_is_declined_pays_and_gets_the_money_back(stack, page):
    wrong = []
    page.on("console", lambda said: wrong.append(said.text) if "Security" in said.text else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    fill_cart(stack, page)
    page.get_by_role("button", name="One more").click()
    page.reload()
    expect(page.locator("#cart-lines")).to_contain_text("Masala chai \u00d7 2")

    window = opened(page, "Buy")
    fill_card(window, "4000000000000002")
    expect(window.get_by_role("alert")).to_be_visible()
    fill_card(window, "4242424242424242")

    expect(page).to_have_url(re.compile("/orders/"))
    expect(page.get_by_role("heading", name=PAID)).to_be_visible()
    expect(page.locator("#result")).to_contain_text("is verified")
    expect(page.locator("#lines")).to_contain_text("the parcel was packed on this")
    page.get_by_role("button", name="Give the money back").click()
    expect(page.get_by_role("heading", name="You have your money back")).to_be_visible()
    page.goto(stack.store)
    expect(page.get_by_text("Nothing in it yet")).to_be_visible()
    assert wrong == []  # nothing that the shop's policy forbids


def test_upi_is_declined_and_paid_with_another_address(stack, page):
    fill_cart(stack, page)
    page.get_by_label("UPI").check()
    pay_by_upi(opened(page, "Buy"), "failure@upi")
    # The page stays open for another address.
    window = page.context.pages[-1]
    expect(window.get_by_role("alert")).to_be_visible()
    pay_by_upi(window, "shopper@upi")

    expect(page.get_by_role("heading", name=PAID)).to_be_visible()


def test_it_is_bought_without_a_script(stack, browser):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(stack.store)
    page.locator("[name=KF-CHAI]").fill("2")
    page.get_by_role("button", name="Buy", exact=True).click()
    expect(page).to_have_url(PAYMENT_PAGE)
    fill_card(page, "4242424242424242")

    expect(page).to_have_url(re.compile(f"{stack.store}/orders/"))
    expect(page.get_by_role("heading", name=PAID)).to_be_visible()
    expect(page.get_by_text("Masala chai \u00d7 2")).to_be_visible()


def test_it_is_bought_by_keyboard(stack, page):
    page.goto(stack.store)
    page.get_by_role("button", name="Add to cart").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_have_accessible_name("One more")
    page.get_by_role("button", name=re.compile("^4242")).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#copied")).to_contain_text("4242 4242 4242 4242")
    page.get_by_label("Card", exact=True).focus()
    with page.expect_popup() as found:
        page.keyboard.press("Enter")
    expect(found.value).to_have_url(PAYMENT_PAGE)
