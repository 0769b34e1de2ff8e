"""What the page's script adds for somebody with a browser. The page works without it."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from .support import Server, euros

pytestmark = pytest.mark.browser


@pytest.fixture
def popup(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 480, "height": 760})
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Security" in said.text else None)
    yield page
    page.close()
    assert wrong == []


def shown(popup: Page, sandbox: Server, **changes: Any) -> Page:
    popup.goto(f"{sandbox.url}/c/pay/{sandbox.create(**changes).id}")
    return popup


def test_one_click_fills_in_everything(popup: Page, sandbox: Server):
    page = shown(popup, sandbox)
    chip = page.get_by_role("link", name="3D Secure 3184")
    expect(chip).to_be_in_viewport()

    chip.click()

    expect(page.get_by_label("Card number")).to_have_value("4000 0027 6000 3184")
    expect(page.get_by_label("Email")).to_have_value("shopper@example.com")
    expect(page.get_by_role("button", name="Pay $50.00")).to_be_focused()
    expect(page.get_by_role("button", name="Pay $50.00")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Is this you?")).to_be_visible()


def test_a_typed_email_is_kept(popup: Page, sandbox: Server):
    page = shown(popup, sandbox, **euros())
    page.get_by_label("Email").fill("ada@example.com")

    page.get_by_label("SEPA debit").check()
    page.get_by_role("link", name="Fails in three days").click()

    expect(page.get_by_label("Email")).to_have_value("ada@example.com")
    expect(page.get_by_label("IBAN")).to_have_value("IT60 X054 2811 1010 0000 0123 456")


@pytest.mark.parametrize(
    ("keys", "result"),
    [
        (["4242424242"], "4242 4242 42|"),
        (["42424", "Backspace"], "4242|"),
        (["42425", "ArrowLeft", "Backspace"], "424|5"),
        (["42425", "Home", *["ArrowRight"] * 4, "Delete"], "4242|"),
        (["42424242", "Home", "ArrowRight", "1"], "41|24 2424 2"),
        (["42424242", "Home", *["ArrowRight"] * 3, "9"], "4249| 2424 2"),
        (["378282246310005"], "3782 822463 10005|"),
        (["4a2b4-2 4"], "4242 4|"),
    ],
)
def test_the_number_is_grouped_under_a_calm_caret(
    popup: Page, sandbox: Server, keys: list[str], result: str
):
    page = shown(popup, sandbox)
    number = page.get_by_label("Card number")
    number.focus()

    for key in keys:
        if key.isalpha() and key[0].isupper():
            page.keyboard.press(key)
        else:
            page.keyboard.type(key)

    caret = "it => it.value.slice(0, it.selectionStart) + '|' + it.value.slice(it.selectionStart)"
    assert number.evaluate(caret) == result


def test_a_pasted_number_may_have_spaces(popup: Page, sandbox: Server):
    page = shown(popup, sandbox)
    page.get_by_label("Card number").focus()

    page.keyboard.insert_text(" 4242-4242  4242-4242 ")

    expect(page.get_by_label("Card number")).to_have_value("4242 4242 4242 4242")


def test_a_second_press_does_nothing(popup: Page, sandbox: Server):
    page = shown(popup, sandbox, success_url=None)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_role("link", name="Succeeds 4242").click()

    said = page.evaluate("""() => {
        const button = document.querySelector("button.primary");
        button.click();
        button.click();
        return [button.textContent, document.querySelector("[role=status]").textContent];
    }""")

    assert said == ["Paying $50.00…"] * 2
    expect(page.get_by_role("heading", name="Paid")).to_be_visible()
    assert sent.count("POST") == 1


def test_a_phone_is_not_given_the_keyboard(popup: Page, browser: Browser, sandbox: Server):
    url = shown(popup, sandbox).url
    expect(popup.get_by_label("Email")).to_be_focused()
    phone = browser.new_page(viewport={"width": 360, "height": 640}, is_mobile=True, has_touch=True)

    phone.goto(url)

    assert phone.evaluate("document.activeElement.tagName") == "BODY"
    assert phone.evaluate("document.documentElement.scrollWidth") == 360
    expect(phone.get_by_role("link", name="Succeeds 4242")).to_be_in_viewport()
    phone.close()
