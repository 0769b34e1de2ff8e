"""Buying in the store: once per form, at the right moment, in readable words."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.dev.seed import SECRET
from gateway.dev.store.app import Store
from gateway.dev.store.products import price

from .fake import CHECKOUT, FakeGateway, buy, signed, token_of


def test_the_same_form_twice_buys_once(gateway: FakeGateway, browser: FlaskClient) -> None:
    form = {"product": "chai", "token": token_of(browser.get("/").text, "chai")}
    first, second = browser.post("/buy", data=form), browser.post("/buy", data=form)

    assert first.location == second.location
    assert gateway.keys[:2] == gateway.keys[2:]
    assert [path for path, _ in gateway.keys[:2]] == ["orders", "payments"]
    (order,), (payment,) = gateway.orders.values(), gateway.payments.values()
    assert (order["amount"], order["currency"]) == (49900, "INR")
    assert payment["method"] == "upi"
    assert payment["return_url"] == f"http://127.0.0.1:8001/orders/{order['reference']}"
    assert token_of(browser.get("/").text, "chai") != form["token"]


def test_the_second_of_two_clicks_waits_for_the_first(
    gateway: FakeGateway, browser: FlaskClient
) -> None:
    token = token_of(browser.get("/").text, "cups")
    gateway.refusals = [(409, "idempotency_key_in_use")]

    answer = browser.post("/buy", data={"product": "cups", "token": token})

    assert answer.status_code == 303
    assert len(gateway.orders) == 1


def test_the_payment_page_is_opened_once_and_only_when_it_is_ready(
    gateway: FakeGateway, browser: FlaskClient
) -> None:
    where = buy(browser)
    page = browser.get(where).text
    assert "Opening the payment page" in page
    assert "4242 4242 4242 4242" in page
    before = browser.get(f"{where}.json").json

    gateway.payments["pay_0"] |= {"status": "requires_action", "checkout_url": CHECKOUT}
    after = browser.get(f"{where}.json").json

    assert (before["checkout_url"], after["checkout_url"]) == (None, CHECKOUT)
    assert before["state"] != after["state"]
    opened = browser.get(where)
    assert (opened.status_code, opened.location) == (303, CHECKOUT)
    back = browser.get(f"{where}?outcome=paid")
    assert back.status_code == 200
    assert f'href="{CHECKOUT}"' in back.text
    assert "Paid, thank you" not in back.text


def test_an_order_that_is_paid_waits_for_its_callback(
    gateway: FakeGateway, store: Store, browser: FlaskClient
) -> None:
    where = buy(browser)
    gateway.payments["pay_0"] |= {"status": "succeeded"}
    gateway.orders["ord_0"] |= {"status": "packaging"}
    page = browser.get(where).text
    assert "Paid, thank you" in page
    assert "data-watch" in page

    browser.post("/callbacks", **signed(store, "evt_9", "order.payment_done", {"id": "ord_0"}))

    page = browser.get(where).text
    assert "order.payment_done" in page
    assert "data-watch" not in page
    assert "about this order" in page


def test_a_failed_payment_can_be_tried_again(gateway: FakeGateway, browser: FlaskClient) -> None:
    where = buy(browser, "chai")
    failure = {"code": "card_declined", "message": "Your bank said <no>."}
    gateway.payments["pay_0"] |= {"status": "failed", "failure": failure}
    gateway.orders["ord_0"] |= {"status": "payment_failed"}
    page = browser.get(where).text
    assert "Your bank said &lt;no&gt;." in page

    token = re.findall(r'name="token" value="(\w+)"', page)[0]
    again = browser.post(f"{where}/pay", data={"token": token})

    assert (again.status_code, again.location) == (303, where)
    assert [p["method"] for p in gateway.payments.values()] == ["upi", "upi"]
    assert "Opening the payment page" in browser.get(where).text


@pytest.mark.parametrize(
    ("order", "payment", "words"),
    [
        ("payment_in_progress", {"status": "processing"}, "The bank is working on it"),
        ("payment_in_progress", {"status": "authorized"}, "The amount is held"),
        ("payment_in_progress", {"status": "review"}, "A person is looking"),
        ("payment_in_progress", {"certainty": "unconfirmed"}, "longer than usual"),
        ("payment_failed", {"status": "expired"}, "Nobody paid in time"),
        ("payment_failed", {"status": "cancelled"}, "The payment was given up"),
        ("payment_done", {"status": "refunded"}, "Paid, thank you"),
        ("payment_failed", {"status": "refunded"}, "You have your money back"),
        ("cancelled", {"status": "refunded"}, "This order was cancelled"),
        ("brand_new", {"status": "quite_new"}, "Quite new"),
        (
            "payment_in_progress",
            {
                "status": "requires_action",
                "checkout_url": "javascript:alert(1)",
                "failure": {"code": "card_declined", "message": "Too little money."},
            },
            "Too little money. Try another way",
        ),
    ],
)
def test_every_status_has_words(
    gateway: FakeGateway, browser: FlaskClient, order: str, payment: dict[str, Any], words: str
) -> None:
    where = buy(browser)
    gateway.orders["ord_0"]["status"] = order
    gateway.payments["pay_0"] |= payment

    page = browser.get(where).text

    assert words in page
    assert "javascript:" not in page
    assert gateway.orders["ord_0"]["reference"] in browser.get("/").text


def test_a_refusal_of_the_gateway_is_readable(gateway: FakeGateway, browser: FlaskClient) -> None:
    token = token_of(browser.get("/").text, "cups")
    gateway.refusals = [(422, "invalid_request")]

    answer = browser.post("/buy", data={"product": "cups", "token": token})

    assert answer.status_code == 422
    for shown in ("No &lt;b&gt;way&lt;/b&gt;.", "Because.", "req_7"):
        assert shown in answer.text
    assert browser.get("/orders/nobody").status_code == 404


def test_without_the_gateway_the_shop_says_so(store: Store, browser: FlaskClient) -> None:
    token = token_of(browser.get("/").text, "cups")
    store.gateway.url = "http://127.0.0.1:1"

    answer = browser.post("/buy", data={"product": "cups", "token": token})

    assert answer.status_code == 503
    assert "cannot be reached" in answer.text
    assert token in answer.text  # to try again with the same keys
    assert "does not answer" in browser.get("/").text


@pytest.mark.parametrize(
    ("form", "status"),
    [({}, 400), ({"product": "cups", "token": "x"}, 400), ({"token": "a" * 32}, 404)],
)
def test_forms_that_are_not_the_shops(
    gateway: FakeGateway, browser: FlaskClient, form: dict[str, str], status: int
) -> None:
    assert browser.post("/buy", data=form).status_code == status
    assert not gateway.orders


def test_pages_run_no_foreign_script_and_show_no_secret(store: Store, browser: FlaskClient) -> None:
    pages = [browser.get("/"), browser.get(buy(browser)), browser.get("/nowhere")]
    for page in pages:
        assert "script-src 'self';" in page.headers["Content-Security-Policy"]
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?! src)|style=| on\w+=", page.text)
        for secret in (SECRET, str(store.registration.secret)):
            assert secret not in page.text
    with browser.get("/assets/store.js") as script:
        assert script.status_code == 200


def test_prices_read_as_people_write_them() -> None:
    assert price(1290, "EUR") == "€12.90"
    assert price(123456700, "INR") == "₹1,234,567.00"
    assert price(500, "JPY") == "500 JPY"
    assert price(1234, "KWD") == "1.234 KWD"
