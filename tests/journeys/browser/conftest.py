"""A shopper with a browser, a shop with an origin of its own, and the whole gateway behind them."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from gateway.dev.walk import wait_for

KEY = "key_test_abc123"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "journeys/browser/" in item.nodeid:
            for mark in (pytest.mark.journey, pytest.mark.browser):
                item.add_marker(mark)


SHOP = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Shop</title>
<link rel="icon" href="data:,">
<script src="{gateway}/checkout.js"></script>{more}
<script src="/shop.js" data-options='{options}'></script></head>
<body><h1>Shop</h1><button id="pay">Pay</button></body></html>"""

SCRIPT = """
const given = JSON.parse(document.currentScript.dataset.options);
window.calls = [];
window.told = [];
const hear = (name) => (what) => { window.calls.push([name, what]); };
window.options = { ...given, onSuccess: hear("success"), onPending: hear("pending"),
  onFailure: hear("failure"), onClose: hear("close"), onEvent: (it) => window.told.push(it) };
if (given.orderId === "slow") {
  window.options.orderId = new Promise((done) => { window.made = () => done(given.later); });
}
addEventListener("DOMContentLoaded", () => {
  window.resumed = PaymentGateway.resume(window.options);
  document.getElementById("pay").onclick = () => {
    window.checkout = new PaymentGateway(window.options);
    window.ended = window.checkout.open();
  };
});
"""


@dataclass
class Shop:
    """Serves one page, with the headers that a test wants it to have."""

    gateway: str
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    more: str = ""
    lang: str = "en"
    whole: str = ""  # the page, where a test brings its own
    orders: Callable[[], dict[str, Any]] = dict

    def page(self) -> str:
        if self.whole:
            return self.whole
        options = json.dumps(self.options).replace("'", "&#39;")
        return SHOP.format(gateway=self.gateway, options=options, more=self.more, lang=self.lang)


@pytest.fixture(scope="session")
def shop_server() -> Iterator[tuple[str, list[Shop]]]:
    current: list[Shop] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            is_script = urlsplit(self.path).path == "/shop.js"
            body = (SCRIPT if is_script else current[-1].page()).encode()
            self.send_response(200)
            kind = "text/javascript" if is_script else "text/html"
            headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
            for name, value in {**headers, **current[-1].headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = json.dumps(current[-1].orders()).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", current
    server.shutdown()
    server.server_close()


@pytest.fixture
def shop(stack: Any, shop_server: tuple[str, list[Shop]]) -> Shop:
    url, current = shop_server
    origins = stack.call("GET", "merchant").json()["allowed_origins"]
    if url not in origins:
        stack.call("PATCH", "merchant", json={"allowed_origins": [*origins, url]})
    shop = Shop(stack.url, url, options={"key": KEY})
    current[:] = [shop]
    return shop


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.set_default_timeout(15_000)
    yield context
    context.close()


class Shopper:
    """Somebody at the shop's page, and in the window that pays."""

    def __init__(self, stack: Any, shop: Shop, context: BrowserContext) -> None:
        self.stack, self.shop, self.context = stack, shop, context
        self.page = context.new_page()
        self.order: dict[str, Any] = {}

    def come(self, **options: Any) -> "Shopper":
        """To the shop's page, with an order of their own."""
        body = {"currency": "EUR", "amount": 4900} | options.pop("order", {})
        self.order = self.stack.call("POST", "orders", json=body).json()
        self.shop.options = {"key": KEY, "orderId": self.order["id"]} | options
        if options.get("orderId") == "slow":
            self.shop.options["later"] = self.order["id"]
        self.page.goto(self.shop.url)
        return self

    def click(self) -> None:
        self.page.click("#pay")

    def open(self) -> Page:
        """Click, and the window that opens."""
        with self.page.expect_popup() as opening:
            self.click()
        return opening.value

    def open_to_stripe(self) -> Page:
        window = self.open()
        window.wait_for_url(re.compile("/c/pay/"))
        return window

    @property
    def calls(self) -> list[tuple[str, Any]]:
        return [tuple(call) for call in self.page.evaluate("window.calls")]

    def outcome(self, seconds: float = 20) -> tuple[str, Any]:
        """The one call about how it ended. Fails if there is more than one."""
        deadline = time.monotonic() + seconds
        while not any(name == "close" for name, _ in self.calls) and time.monotonic() < deadline:
            self.page.wait_for_timeout(50)
        told = [call for call in self.calls if call[0] != "close"]
        assert len(told) == 1, self.calls
        return told[0]

    def says(self, words: str) -> None:
        expect(self.page.get_by_role("dialog").get_by_role("status")).to_contain_text(words)

    def press(self, name: str) -> None:
        self.page.get_by_role("dialog").get_by_role("button", name=name).click()

    def payments(self) -> list[dict[str, Any]]:
        return list(self.stack.call("GET", f"payments?order_id={self.order['id']}").json()["data"])

    def order_is(self, status: str, seconds: float = 15) -> None:
        path = f"orders/{self.order['id']}"
        wait_for(
            f"the order to be {status}",
            lambda: self.stack.call("GET", path).json()["status"] == status,
            seconds=seconds,
        )


def pay(window: Page, number: str = "4242424242424242") -> None:
    """Fill in the hosted page and send it; the window may close under our hands."""
    window.get_by_label("Email").fill("shopper@example.com")
    window.get_by_label("Card number").fill(number)
    window.get_by_label("Month").fill("12")
    window.get_by_label("Year").fill("34")
    window.get_by_label("CVC").fill("123")
    with suppress(Error):
        window.get_by_role("button", name=re.compile("^Pay")).click()


@pytest.fixture
def shopper(stack: Any, shop: Shop, context: BrowserContext) -> Shopper:
    return Shopper(stack, shop, context)


@pytest.fixture
def another(stack: Any, shop: Shop, context: BrowserContext) -> Callable[[], Shopper]:
    """One more tab of the same shopper."""
    return lambda: Shopper(stack, shop, context)
