"""An order's page: it follows the gateway and its callbacks, and believes no address."""

import hmac
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from gateway.dev.seed import SECRET

from .fake import CHECKOUT, TOKEN, FakeGateway, Store, buy, signed, token_of

DONE = "order.payment_done"


def result(order_id: str = "ord_0", secret: str = SECRET, **changed: str) -> str:
    """The query with which the gateway leads back to the shop."""
    about = {"order_id": order_id, "payment_id": "pay_0", "status": "succeeded"}
    about |= {"amount": "698000", "currency": "INR"}
    key = hmac.digest(secret.encode(), b"checkout-result", "sha256")
    text = "|".join(about.values()).encode()
    return urlencode(about | {"signature": hmac.digest(key, text, "sha256").hex()} | changed)


@pytest.mark.parametrize("path", ["{where}?{query}", "/orders?{query}"])
def test_a_signed_result_is_verified_and_packs_nothing(
    gateway: FakeGateway, store: Store, browser: FlaskClient, path: str
) -> None:
    where = buy(browser)

    page = browser.get(path.format(where=where, query=result())).text

    assert "The result you came back with is verified" in page
    assert "Not paid yet" in page
    assert store.inbox.packed("ord_0") is None


@pytest.mark.parametrize(
    "query",
    [
        result(secret="secret_test_other"),
        result(status="pending"),
        result(amount="1"),
        result(signature=""),
        result(signature="ä"),
        result(order_id="ord_1"),  # genuine, but of another order
        "signature=1",
    ],
)
def test_a_forged_result_is_ignored(browser: FlaskClient, query: str) -> None:
    page = browser.get(f"{buy(browser)}?{query}").text

    assert "the gateway never signed that" in page
    assert "is verified" not in page
    assert "Not paid yet" in page


def test_a_plain_visit_says_nothing_of_results(browser: FlaskClient) -> None:
    assert 'id="result"' not in browser.get(buy(browser)).text


def test_an_order_that_is_paid_is_packed_on_its_callback(
    gateway: FakeGateway, store: Store, browser: FlaskClient
) -> None:
    where = buy(browser)
    gateway.now("packaging", status="succeeded")
    page = browser.get(where).text
    assert "Paid, thank you" in page
    assert "data-watched" in page

    browser.post("/callbacks", **signed(store, "evt_9", DONE, {"id": "ord_0"}))

    page = browser.get(where).text
    assert "Paid, and being packed" in page
    assert f"<code>{DONE}</code>" in page
    assert "data-watched" not in page


def test_a_failed_payment_can_be_tried_again(gateway: FakeGateway, browser: FlaskClient) -> None:
    where = buy(browser, method="upi")
    failure = {"code": "card_declined", "message": "Your bank said <no>."}
    gateway.now("payment_failed", status="failed", failure=failure)
    page = browser.get(where).text
    assert "Your bank said &lt;no&gt;." in page
    assert "Try again" in page
    (action,) = re.findall(r'action="(/orders/[\w-]+/payments)"', page)

    again = browser.post(action, json={})
    plain = browser.post(action)

    assert again.json["order_id"] == "ord_0"
    assert (plain.status_code, plain.location) == (303, f"{gateway.url}/pay/pay_1_secret_x")
    assert [payment["method"] for payment in gateway.payments.values()] == ["upi", "upi"]
    assert len(gateway.orders) == 1


def test_a_card_is_tried_again_in_the_widget(gateway: FakeGateway, browser: FlaskClient) -> None:
    where = buy(browser)
    gateway.now("payment_failed", status="expired")

    assert browser.post(f"{where}/payments", json={}).json["order_id"] == "ord_0"
    assert len(gateway.payments) == 1


def test_a_payment_that_waits_has_its_link(gateway: FakeGateway, browser: FlaskClient) -> None:
    where = buy(browser)
    gateway.now("payment_in_progress", status="requires_action", checkout_url=CHECKOUT)

    page = browser.get(where).text

    assert f'href="{CHECKOUT}"' in page
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in page


@pytest.mark.parametrize(
    ("order", "payment", "words"),
    [
        ("created", {}, "Not paid yet"),
        ("payment_in_progress", {"status": "pending"}, "Opening the payment page"),
        ("payment_in_progress", {"certainty": "unconfirmed"}, "longer than usual"),
        ("payment_in_progress", {"status": "processing"}, "The bank is working on it"),
        ("payment_in_progress", {"status": "authorized"}, "The amount is held"),
        ("payment_in_progress", {"status": "review"}, "A person is looking"),
        ("payment_failed", {"status": "expired"}, "Nobody paid in time"),
        ("payment_failed", {"status": "cancelled"}, "The payment was given up"),
        ("payment_in_progress", {"status": "failed"}, "being brought up to date"),
        ("payment_done", {"status": "refunded"}, "You have your money back"),
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
    gateway.now(order, **payment)

    page = browser.get(where).text

    assert words in page
    assert "javascript:" not in page


def test_a_refund_is_asked_for_once_and_followed(
    gateway: FakeGateway, browser: FlaskClient
) -> None:
    where = buy(browser)
    gateway.now("packaging", status="succeeded")
    page = browser.get(where).text
    assert "Give the money back" in page
    form = {"token": token_of(page)}

    asked = [browser.post(f"{where}/refunds", data=form) for _ in range(2)]

    assert [(answer.status_code, answer.location) for answer in asked] == [(303, where)] * 2
    ((path, key), again) = gateway.keys[-2:]
    assert (path, again) == ("payments/pay_0/refunds", (path, key))
    page = browser.get(where).text
    assert "Your money is on its way back" in page
    assert "on its way to your bank" in page
    assert "Give the money back" not in page
    gateway.refunds["ref_0"]["status"] = "failed"
    page = browser.get(where).text
    assert "came back; we will write to you" in page
    assert "Give the money back" in page


@pytest.mark.parametrize(("form", "status"), [({"token": TOKEN}, 409), ({"token": "x"}, 400)])
def test_refunds_that_make_no_sense(
    gateway: FakeGateway, browser: FlaskClient, form: dict[str, str], status: int
) -> None:
    where = buy(browser)
    if status == 400:
        gateway.now("packaging", status="succeeded")

    assert browser.post(f"{where}/refunds", data=form).status_code == status
    assert not gateway.refunds


@pytest.mark.parametrize("name", ["nobody", "..", "%2e%2e", "a%2Fb", "%ff", "x" * 65, "a b"])
def test_orders_that_are_not_there(browser: FlaskClient, name: str) -> None:
    assert browser.get(f"/orders/{name}").status_code == 404
    assert browser.get("/orders").status_code == 404
