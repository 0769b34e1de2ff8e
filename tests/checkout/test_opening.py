"""Opening an order from a page that has no secret."""

import pytest

from gateway.kernel import db
from gateway.merchants import service as merchants

from .conftest import ORIGIN
from .test_watching import signature

VIEW = {
    *("payment_id", "order_id", "order_reference", "status", "outcome", "settled", "acknowledged"),
    *("amount", "currency", "url", "checkout_url", "failure", "certainty", "next_check_at"),
    *("cancel_requested_at", "result", "version", "livemode"),
}


def test_an_order_is_opened_with_the_publishable_key_alone(page, history):
    answer = page.open()

    assert answer.status_code == 201
    assert set(answer.json) == VIEW | {"client_secret", "cancel_token"}
    assert answer.json["outcome"] == "open"
    assert (answer.json["amount"], answer.json["currency"]) == (4900, "EUR")
    assert answer.json["url"].endswith(f"/pay/{answer.json['client_secret']}")
    assert history(answer.json["payment_id"]) == ["payment.created"]
    assert history(page.order["id"])[-1] == "order.payment_in_progress"


def test_the_second_page_joins_the_payment_and_cannot_cancel_it(page):
    first, second = page.open().json, page.open()

    assert second.status_code == 200
    assert second.json["payment_id"] == first["payment_id"]
    assert second.json["client_secret"] == first["client_secret"]
    assert second.json["cancel_token"] is None
    refused = page.cancel(second.json["client_secret"], "0" * 64)
    assert (refused.status_code, refused.json["code"]) == (403, "cancel_token_wrong")


def test_a_double_click_with_one_key_is_one_opening(page):
    first, second = (page.open(idempotency_key="click-1") for _ in range(2))

    assert first.status_code == second.status_code == 201
    assert first.data == second.data
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_page_cannot_take_the_keys_of_the_shops_server(page):
    page.open(idempotency_key="order-1")
    body = {"order_id": "cart-2", "amount": 100, "currency": "EUR"}
    headers = page.shop.headers | {"Idempotency-Key": "order-1"}

    assert page.client.post("/api/v1/payments", json=body, headers=headers).status_code == 201


def test_a_page_joins_what_the_shops_server_began_whatever_its_parameters(page):
    body = {"order_id": page.order["id"], "capture_method": "manual", "metadata": {"cart": "7"}}
    made = page.as_merchant("POST", "/payments", json=body).json

    joined = page.open()

    assert (joined.status_code, joined.json["payment_id"]) == (200, made["id"])


def test_after_a_failure_the_next_payment_is_like_the_last(page, move):
    body = {"order_id": page.order["id"], "capture_method": "manual", "metadata": {"cart": "7"}}
    first = page.as_merchant("POST", "/payments", json=body).json
    page.as_merchant("POST", f"/payments/{first['id']}/cancel")

    second = page.open()

    assert second.status_code == 201
    payment = page.as_merchant("GET", f"/payments/{second.json['payment_id']}").json
    assert (payment["attempt"], payment["capture_method"]) == (2, "manual")
    assert payment["metadata"] == {"cart": "7"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"key": "key_test_unknown"}, 401, "invalid_key"),
        ({"key": ""}, 422, "invalid_request"),
        ({"key": None}, 422, "invalid_request"),
        ({"key": 7}, 422, "invalid_request"),
        ({"key": "secret_test_xyz789"}, 403, "secret_in_browser"),
        ({"origin": "https://evil.example"}, 403, "origin_not_allowed"),
        ({"origin": "https://shop.example/cart"}, 422, "invalid_request"),
        ({"origin": "null"}, 422, "invalid_request"),
        ({"return_url": "https://evil.example/"}, 422, "invalid_request"),
        ({"return_url": "https://shop.example@evil.example/"}, 422, "invalid_request"),
        ({"return_url": "javascript:alert(1)"}, 422, "invalid_request"),
        ({"order_id": "ord_01kjn0abcdefghjkmnpqrstvwx"}, 404, "order_not_found"),
        ({"order_id": "cart-1"}, 422, "invalid_request"),
        ({"mode": "embedded"}, 422, "invalid_request"),
        ({"amount": 1}, 422, "invalid_request"),
    ],
)
def test_what_is_wrong_is_said(page, body, status, code):
    answer = page.open(**body)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert page.as_merchant("GET", "/payments").json["data"] == []


def test_the_browsers_word_about_the_origin_counts(page):
    page.origin = "https://evil.example"

    answer = page.open()

    assert (answer.status_code, answer.json["code"]) == (403, "origin_not_allowed")
    assert "https://evil.example" in answer.json["detail"]


def test_our_own_pages_may_open_for_a_shop(page):
    page.origin = "http://127.0.0.1:8000"

    assert page.open().status_code == 201


def test_another_merchants_order_is_not_there(page, new_shop):
    other = new_shop("Other")
    page.origin = "http://127.0.0.1:8000"

    answer = page.open(key=other.key, origin="http://127.0.0.1:8000")

    assert (answer.status_code, answer.json["code"]) == (404, "order_not_found")


def test_a_live_key_does_not_open_a_test_order(page):
    with db.transaction(actor="test:setup") as tx:
        merchant = merchants.get(tx, page.shop.merchant_id)
        live = merchants.create_key(tx, merchant, livemode=True)
    page.origin = "http://127.0.0.1:8000"

    answer = page.open(key=live.key, origin="http://127.0.0.1:8000")

    assert (answer.status_code, answer.json["code"]) == (404, "order_not_found")


def test_what_cannot_be_paid_says_why(page, move):
    payment = page.open().json["payment_id"]
    move(payment, "processing")
    page.as_merchant("POST", f"/orders/{page.order['id']}/cancel")

    answer = page.open()

    assert (answer.status_code, answer.json["code"]) == (409, "payment_in_progress")


def test_the_amount_is_the_orders_whatever_the_page_sends(page):
    opened = page.open().json

    payment = page.as_merchant("GET", f"/payments/{opened['payment_id']}").json
    assert (payment["amount"], payment["currency"]) == (4900, "EUR")


@pytest.mark.parametrize("sent", [b"{", b"[]", b"\xff"])
def test_a_body_that_cannot_be_read(page, sent):
    headers = page.headers | {"Content-Type": "application/json"}
    answer = page.client.post("/api/v1/checkout", data=sent, headers=headers)

    assert (answer.status_code, answer.json["code"]) == (400, "unparsable")


def test_a_page_that_knocks_too_often_is_told_to_wait(page, monkeypatch):
    monkeypatch.setenv("GATEWAY_RATE_PER_ORDER", "2")
    from tests_support import forget

    forget()
    statuses = [page.open().status_code for _ in range(4)]

    assert statuses[:2] == [201, 200]
    assert 429 in statuses


def test_who_joins_changes_nothing_for_who_began(page, new_shop):
    back = f"{ORIGIN}/thanks"
    first = page.open(return_url=back).json

    page.open(return_url=f"{ORIGIN}/other", mode="redirect")

    answer = page.client.get(f"/pay/{first['client_secret']}", headers={"X-Pay-Page": "1"})
    assert f'data-leave="{back}?' in answer.text
    assert "/other" not in answer.text


def test_a_page_that_joins_what_the_server_began_leaves_its_key(page, move):
    made = page.as_merchant("POST", "/payments", json={"order_id": page.order["id"]}).json
    with db.transaction(actor="test:setup") as tx:
        merchant = merchants.get(tx, page.shop.merchant_id)
        other = merchants.create_key(tx, merchant, livemode=False)
    page.open(key=other.key)
    move(made["id"], "succeeded")

    result = page.look(made["client_secret"]).json["result"]

    assert result["signature"] == signature(page.shop.secret, result)


def test_history_tells_a_shopper_from_the_shop(page, sql):
    payment_id = page.open().json["payment_id"]

    actor = sql("SELECT actor FROM events WHERE subject_id = :id", id=payment_id)
    assert actor.startswith("shopper:key_")


@pytest.mark.parametrize("host", ["evil.example", "shop.example"])
def test_whatever_host_was_asked_for_a_page_must_be_allowed(page, host):
    forged = {"origin": f"http://{host}", "return_url": f"http://{host}/phish"}
    body = {"key": page.shop.key, "order_id": page.order["id"]} | forged

    answer = page.client.post("/api/v1/checkout", json=body, headers={"Host": host})

    assert (answer.status_code, answer.json["code"]) == (403, "origin_not_allowed")
