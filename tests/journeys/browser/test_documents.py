"""What the documents show of the checkout is done as it stands, but for addresses and ids."""

import re
import subprocess
import sys
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from gateway.dev.machine import free_port
from gateway.dev.places import ROOT
from gateway.dev.walk import wait_for

from .conftest import pay

HOSTED = re.compile("/c/pay/")
GATEWAY = "http://127.0.0.1:8000"


def blocks(document, kind):
    text = (ROOT / document).read_text()
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


PAGES = blocks("docs/checkout.md", "html")
BUTTONS = [page for page in PAGES if "<button" in page]
(RESUMING,) = [page for page in PAGES if "resume" in page]


def order(stack):
    return stack.call("POST", "orders", json={"currency": "EUR", "amount": 4900}).json()


def put(shop, stack, page, order_id):
    shop.whole = f"<!doctype html>{page}".replace(GATEWAY, stack.url).replace("ord_...", order_id)


def press(page):
    with page.expect_popup() as opening:
        page.get_by_role("button").click()
    opening.value.wait_for_url(HOSTED)
    return opening.value


def paid(stack, order_id):
    path = f"orders/{order_id}"
    wait_for(
        "the order to be paid",
        lambda: stack.call("GET", path).json()["status"] == "payment_done",
        seconds=15,
    )


def test_there_is_something_to_do():
    assert len(BUTTONS) == 3


@pytest.mark.parametrize("number", range(len(BUTTONS)))
def test_a_page_of_the_guide_takes_a_payment(stack, shop, context, number):
    made = order(stack)
    shop.orders = lambda: made
    put(shop, stack, BUTTONS[number], made["id"])
    page = context.new_page()
    page.goto(shop.url)

    pay(press(page))

    paid(stack, made["id"])


def test_the_guides_page_goes_on_after_a_reload(stack, shop, context):
    made = order(stack)
    put(shop, stack, BUTTONS[0], made["id"])
    page = context.new_page()
    page.goto(shop.url)
    window = press(page)
    page.get_by_text("Please pay in the window").wait_for()
    put(shop, stack, RESUMING, made["id"])
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.reload()
    page.get_by_role("dialog").wait_for()

    pay(window)

    wait_for("a word", lambda: page.wait_for_timeout(50) or said, seconds=15)
    assert said[0].startswith("paid pay_")


def test_the_guides_shop_is_a_whole_one(stack, shop, context, tmp_path):
    """The lines of the README, as a process of their own."""
    (lines,) = [block for block in blocks("README.md", "python") if "checkout.js" in block]
    assert len([line for line in lines.splitlines() if line]) <= 12
    port = free_port()
    program = tmp_path / "shop.py"
    program.write_text(lines.replace(GATEWAY, stack.url).replace("9001", str(port)))
    origins = stack.call("GET", "merchant").json()["allowed_origins"]
    url = f"http://127.0.0.1:{port}"
    stack.call("PATCH", "merchant", json={"allowed_origins": [*origins, url]})
    process = subprocess.Popen([sys.executable, program], stderr=subprocess.DEVNULL)
    try:
        wait_for("the shop", lambda: requests.get(url, timeout=5).ok, seconds=20)
        page = context.new_page()
        page.goto(url)
        order_id = page.get_by_role("button").get_attribute("data-pg-order")
        pay(press(page))
        paid(stack, order_id)
    finally:
        process.terminate()
        process.wait(10)


def test_the_guides_verification_knows_a_forgery(shopper):
    (code,) = blocks("docs/checkout.md", "python")
    known = {}
    exec(code, known)
    shopper.come(mode="redirect")
    shopper.click()
    shopper.page.wait_for_url(HOSTED)
    pay(shopper.page)
    shopper.page.wait_for_url(re.compile("signature="))
    result = dict(parse_qsl(urlsplit(shopper.page.url).query))
    known_by = known["is_genuine"]

    assert known_by("secret_test_xyz789", **result)
    assert not known_by("secret_test_xyz789", **result | {"amount": "1"})
    assert not known_by("secret_test_other", **result)
    for forged in ("", None, "é", result["signature"].upper()):
        assert not known_by("secret_test_xyz789", **result | {"signature": forged})
