"""Every state of dialog and pages: nothing serious by axe, and reachable by keyboard alone.

With GATEWAY_SHOTS naming a folder, a picture of each is left there, to be looked at.
"""

import os
import re
from pathlib import Path

import pytest
from node_support import install
from playwright.sync_api import expect

from gateway.dev.places import ROOT

from .conftest import KEY, Shopper, pay

HOSTED = re.compile("/c/pay/")
SHOTS = os.environ.get("GATEWAY_SHOTS")
SIZES = {"phone": {"width": 360, "height": 640}, "desk": {"width": 1280, "height": 800}}
LOOKS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    tools = install(ROOT / "tests/node", tmp_path_factory.mktemp("node") / "tools")
    return (tools / "node_modules/axe-core/axe.min.js").read_text()


class Eye:
    """Looks at a page, small and light, large and dark: what axe finds serious."""

    def __init__(self, axe):
        self.axe, self.found = axe, []

    def look(self, page, state):
        for size, scheme in LOOKS if SHOTS else LOOKS[::3]:  # the first and the last
            page.set_viewport_size(SIZES[size])
            page.emulate_media(color_scheme=scheme)
            self._judge(page, f"{state}-{size}-{scheme}")

    def _judge(self, page, name):
        page.evaluate(f"window.axe || (() => {{ {self.axe} }})()")
        said = page.evaluate("axe.run({resultTypes: ['violations']})")
        for each in said["violations"]:
            if each["impact"] in SERIOUS:
                where = [node["html"][:120] for node in each["nodes"]]
                self.found.append(f"{name}: {each['id']} {where}")
        if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            self.found.append(f"{name}: is wider than the screen")
        if SHOTS:
            page.screenshot(path=Path(SHOTS, f"{name}.png"))


@pytest.fixture
def eye(axe):
    eye = Eye(axe)
    yield eye
    assert eye.found == []


def test_the_dialog_in_every_state(stack, shop, context, eye):
    stack.faults(drop_webhooks=1.0)
    shopper = Shopper(stack, shop, context).come()
    shopper.page.evaluate(
        "() => { options.orderId = new Promise((made) => { window.made = made; }) }"
    )
    window = shopper.open()
    eye.look(shopper.page, "dialog-connecting")
    eye.look(window, "page-asking")
    shopper.page.evaluate("id => window.made(id)", shopper.order["id"])
    window.wait_for_url(HOSTED)
    shopper.says("Please pay in the window")
    eye.look(shopper.page, "dialog-waiting")
    shopper.press("Cancel payment")
    eye.look(shopper.page, "dialog-leaving")
    shopper.press("Go on paying")
    window.close()
    shopper.says("closed or out of sight")
    eye.look(shopper.page, "dialog-away")
    context.set_offline(True)
    shopper.says("No connection")
    eye.look(shopper.page, "dialog-offline")
    context.set_offline(False)
    shopper.says("closed or out of sight")
    stack.pay(shopper.payments()[0]["checkout_url"])
    shopper.says("Thank you")
    eye.look(shopper.page, "dialog-succeeded")
    shopper.outcome()
    stack.faults()


def test_the_pages_in_every_state(stack, shop, context, eye):
    page = context.new_page()
    page.goto(f"{stack.url}/pay/nonsense")
    eye.look(page, "page-missing")
    order = stack.call("POST", "orders", json={"currency": "EUR", "amount": 4900}).json()
    body = {"key": KEY, "order_id": order["id"], "origin": shop.url}
    pid = stack.supervisor.pid("worker-stripe")
    stack.pause(pid)
    try:
        opened = stack.call("POST", "checkout", json=body).json()
        page.goto(opened["url"])
        eye.look(page, "page-opening")
    finally:
        stack.resume(pid)
    page.wait_for_url(HOSTED)
    page.goto(f"{opened['url']}/return")
    expect(page.get_by_role("heading")).to_have_text("Not paid yet")
    eye.look(page, "page-unpaid")
    secret, token = opened["client_secret"], opened["cancel_token"]
    stack.call("POST", f"checkout/{secret}/cancel", json={"cancel_token": token})
    expect(page.get_by_role("heading")).to_have_text("The payment was cancelled")
    eye.look(page, "page-cancelled")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(HOSTED)
    pay(page)
    expect(page.get_by_role("heading")).to_have_text("Thank you, it is paid")
    eye.look(page, "page-paid")


def test_the_keyboard_is_enough(shopper):
    shopper.come()
    page = shopper.page
    page.keyboard.press("Tab")
    with page.expect_popup() as opening:
        page.keyboard.press("Enter")
    opening.value.wait_for_url(HOSTED)
    shopper.says("Please pay in the window")
    page.keyboard.press("Escape")
    shopper.says("Give up this payment?")
    page.keyboard.press("Escape")
    shopper.says("Please pay in the window")
    page.keyboard.press("Enter")
    shopper.says("Give up this payment?")
    page.keyboard.press("Enter")

    name, failure = shopper.outcome()

    assert (name, failure["outcome"]) == ("failure", "cancelled")
    assert page.evaluate("document.activeElement.id") == "pay"


def test_another_language(shopper, shop):
    shop.lang = "de"
    shopper.come().open_to_stripe()

    shopper.says("Bitte zahlen Sie in dem Fenster")
    shopper.press("Zahlung abbrechen")
    shopper.says("Diese Zahlung aufgeben?")
