"""Buying in the store: at the shop's price, once per form, with and without a script."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.dev.seed import SECRET

from .fake import TOKEN, FakeGateway, Store, buy, cart, token_of

TEAPOT = {"sku": "KF-TEAPOT", "name": "Stoneware teapot", "quantity": 2, "unit_amount": 349000}


def test_the_price_is_the_shops_whatever_the_page_says(
    gateway: FakeGateway, browser: FlaskClient
) -> None:
    greedy = {"sku": "KF-TEAPOT", "quantity": 2, "unit_amount": 1, "amount": 1, "price": 1}

    answer = browser.post("/orders", json=cart(items=[greedy], amount=1, currency="USD"))

    (order,) = gateway.orders.values()
    assert answer.json == {"order_id": order["id"], "reference": order["reference"]}
    assert (order["items"], order["currency"]) == ([TEAPOT], "INR")
    assert not gateway.payments  # a card's is the widget's to begin


def test_a_double_click_makes_one_order(gateway: FakeGateway, browser: FlaskClient) -> None:
    first, second = (browser.post("/orders", json=cart()).json for _ in range(2))

    assert first == second
    assert len(gateway.orders) == 1
    ((_, one), (_, two)) = gateway.keys
    assert one == two
    assert TOKEN in one


@pytest.mark.parametrize(
    "other",
    [
        {"token": "f" * 32},
        {"method": "upi"},
        {"items": [{"sku": "KF-TEAPOT", "quantity": 1}]},
    ],
)
def test_another_page_cart_or_method_is_another_order(
    gateway: FakeGateway, browser: FlaskClient, other: dict[str, Any]
) -> None:
    assert buy(browser) != buy(browser, **other)
    assert len(gateway.orders) == 2


def test_the_second_of_two_clicks_waits_for_the_first(
    gateway: FakeGateway, browser: FlaskClient
) -> None:
    gateway.refusals = [(409, "idempotency_key_in_use")]

    buy(browser)

    assert len(gateway.orders) == 1


def test_upi_is_settled_by_the_server(gateway: FakeGateway, browser: FlaskClient) -> None:
    answer = browser.post("/orders", json=cart(method="upi"))

    assert set(answer.json) == {"order_id", "reference"}  # the secret of the payment stays here
    (payment,) = gateway.payments.values()
    assert payment["method"] == "upi"
    assert payment["return_url"] == f"http://127.0.0.1:8001/orders/{payment['order_id']}"


def test_without_a_script_the_form_leads_to_the_payment_link(
    gateway: FakeGateway, browser: FlaskClient
) -> None:
    page = browser.get("/").text
    form = {"token": token_of(page), "method": "card", "KF-TEAPOT": "2", "KF-CUPS": "0"}

    first, second = (browser.post("/orders", data=form) for _ in range(2))

    assert (first.status_code, first.location) == (303, f"{gateway.url}/pay/pay_0_secret_x")
    assert second.location == first.location
    (order,), (payment,) = gateway.orders.values(), gateway.payments.values()
    assert order["items"] == [TEAPOT]
    assert payment["method"] == "card"
    assert re.search(r'<form id="shop" method="post" action="/orders">', page)
    assert token_of(browser.get("/").text) != form["token"]


BAD: list[Any] = [
    None,
    [],
    {},
    "KF-TEAPOT",
    [None],
    ["KF-TEAPOT"],
    [{"sku": "KF-TEAPOT"}],
    [{"sku": "yacht", "quantity": 1}],
    [{"sku": ["KF-TEAPOT"], "quantity": 1}],
    [{"sku": "KF-TEAPOT", "quantity": 1}] * 2,
    *(
        [{"sku": "KF-TEAPOT", "quantity": n}]
        for n in (0, -1, 10, 1.0, "1", True, None, [1], 10**40)
    ),
]


@pytest.mark.parametrize("items", BAD)
def test_bad_carts_are_refused_in_words(
    gateway: FakeGateway, browser: FlaskClient, items: Any
) -> None:
    answer = browser.post("/orders", json=cart(items=items))

    assert (answer.status_code, answer.json["title"]) == (400, "That cannot be bought.")
    assert re.search(r"empty|1 to 9|KF-CHAI", answer.json["detail"])
    assert not gateway.orders


@pytest.mark.parametrize(
    "sent",
    [
        {"json": cart(token="x")},
        {"json": cart(token=[TOKEN])},
        {"json": cart(method="cash")},
        {"json": cart(method=["card"])},
        {"json": [1]},
        {"data": b"\xff{", "content_type": "application/json"},
        {"data": "[" * 60_000, "content_type": "application/json"},
        {"data": {"token": TOKEN, "method": "card"}},
        {"data": {"token": TOKEN, "method": "card", "KF-CUPS": "1" * 5000}},
        {"data": {"token": TOKEN, "method": "card", "KF-CUPS": "-1"}},
        {"data": {"method": "card", "KF-CUPS": "1"}},
        {"data": {}},
    ],
)
def test_forms_that_are_not_the_shops(
    gateway: FakeGateway, browser: FlaskClient, sent: dict[str, Any]
) -> None:
    assert browser.post("/orders", **sent).status_code == 400
    assert not gateway.orders


def test_another_sites_page_buys_and_refunds_nothing(
    gateway: FakeGateway, browser: FlaskClient
) -> None:
    where = buy(browser)
    for path in ("/orders", f"{where}/payments", f"{where}/refunds"):
        for origin in ("https://evil.example", "null", "http://127.0.0.1:8000"):
            answer = browser.post(path, data={"token": TOKEN}, headers={"Origin": origin})
            assert answer.status_code == 403
    assert len(gateway.calls) == gateway.calls.index("POST orders") + 1
    own = browser.post("/orders", json=cart(), headers={"Origin": "http://127.0.0.1:8001"})
    assert own.status_code == 200


def test_a_shopper_who_came_by_another_name_is_led_to_the_one_the_gateway_knows(
    browser: FlaskClient,
) -> None:
    answer = browser.get("/", base_url="http://localhost:8001")

    assert (answer.status_code, answer.location) == (302, "http://127.0.0.1:8001")


def test_stock_is_shown_and_the_first_count_is_made_once(
    gateway: FakeGateway, browser: FlaskClient, start: Any
) -> None:
    assert set(gateway.inventory) == {"KF-TEAPOT", "KF-CUPS", "KF-CHAI"}
    gateway.inventory["KF-TEAPOT"]["available"] = 2
    gateway.inventory["KF-CUPS"]["available"] = 0
    counted = len([call for call in gateway.calls if call.startswith("PUT")])
    start()

    page = browser.get("/").text

    assert len([call for call in gateway.calls if call.startswith("PUT")]) == counted == 3
    assert '<small class="few">2 left</small>' in page
    assert "Sold out" in page
    assert 'name="KF-TEAPOT" value="0" min="0" max="2"' in page
    assert 'name="KF-CUPS"' not in page


def test_recent_orders_are_the_shops_own(gateway: FakeGateway, browser: FlaskClient) -> None:
    where = buy(browser)
    gateway.orders["ord_x"] = {"id": "ord_x", "reference": None, "status": "created"}

    page = browser.get("/").text

    assert f'href="{where}"' in page
    assert "ord_x" not in page


def test_pages_run_nothing_inline_and_show_no_secret(store: Store, browser: FlaskClient) -> None:
    pages = [browser.get("/"), browser.get(buy(browser)), browser.get("/nowhere")]
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        for part in (
            f"script-src 'self' {store.gateway.url};",
            f"connect-src 'self' {store.gateway.url};",
            "style-src 'self';",
            "frame-ancestors 'none'",
        ):
            assert part in policy
        assert "unsafe" not in policy
        assert "Cross-Origin-Opener-Policy" not in page.headers  # it would cut the widget's window
        assert page.headers["Cache-Control"] == "no-store"
        assert f'<script src="{store.gateway.url}/checkout.js" async>' in page.text
        assert not re.search(r"<script(?! src)|<style|style=| on\w+=", page.text)
        for secret in (SECRET, str(store.opening.secret)):
            assert secret not in page.text
    for asset in re.findall(r'"(/assets/[\w.]+)"', pages[0].text):
        with browser.get(asset) as answer:
            assert answer.status_code == 200


def test_test_cards_can_be_copied_by_keyboard(browser: FlaskClient) -> None:
    page = browser.get("/").text
    for number in ("4242 4242 4242 4242", "4000 0000 0000 0002", "4000 0027 6000 3184"):
        assert f'<button type="button" class="chip" data-copy="{number}">' in page
    assert "pending@upi" in page
    assert '<p class="unseen" role="status" id="copied">' in page


def test_prices_read_as_people_write_them(store: Store) -> None:
    assert store.shop.price(349000) == "₹3,490.00"
    assert store.shop.price(1290, "EUR") == "12.90 EUR"
