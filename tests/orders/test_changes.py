"""An order is changed until somebody begins to pay it, and made only once."""

import pytest
from tests_support import check_problem

ITEMS = [{"sku": "tea", "name": "Tea", "quantity": 2, "unit_amount": 450}]
WHOLE = {
    "reference": "cart-1",
    "currency": "EUR",
    "items": ITEMS,
    "customer_email": "shopper@example.com",
    "metadata": {"cart": "1"},
}


@pytest.fixture
def call(client, shop):
    def send(method, path, body=None):
        return client.open(f"/api/v1/{path}", method=method, json=body, headers=shop.headers)

    return send


@pytest.fixture
def order(call):
    return call("POST", "orders", WHOLE).json


def test_what_is_left_out_stays(call, order, history):
    answer = call("PUT", f"orders/{order['id']}", {"metadata": {"cart": "2"}})

    assert answer.status_code == 200
    assert answer.json["metadata"] == {"cart": "2"}
    kept = ("id", "reference", "amount", "items", "currency", "status", "created_at")
    assert {name: answer.json[name] for name in kept} == {name: order[name] for name in kept}
    assert history(order["id"]) == ["order.created", "order.updated"]


def test_items_are_priced_anew_and_an_amount_replaces_them(call, order):
    path = "orders/cart-1"
    more = call("PUT", path, {"items": [ITEMS[0] | {"quantity": 3}]}).json
    plain = call("PUT", path, {"amount": 700, "currency": "usd"}).json

    assert (more["amount"], more["items"][0]["quantity"]) == (1350, 3)
    assert (plain["amount"], plain["items"], plain["currency"]) == (700, [], "USD")


def test_the_same_again_changes_nothing(call, order, history):
    answer = call("PUT", f"orders/{order['id']}", WHOLE)

    assert answer.json == order
    assert call("PUT", f"orders/{order['id']}").json == order
    assert history(order["id"]) == ["order.created"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"reference": "cart-2"}, "reference"),
        ({"items": ITEMS, "amount": 900}, "amount"),
        ({"items": []}, "items"),
        ({"items": [ITEMS[0] | {"quantity": 10000, "unit_amount": 99999}]}, "items"),
        ({"currency": "UGX", "amount": 150}, "amount"),
        ({"currency": "UGX", "items": [ITEMS[0] | {"unit_amount": 7}]}, "amount"),
        ({"status": "payment_done"}, "status"),
        ({"amount": 0}, "amount"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, order, body, param):
    told = check_problem(call("PUT", f"orders/{order['id']}", body), 422, "invalid_request")

    assert told["errors"][0]["param"] == param
    assert call("GET", "orders/cart-1").json == order


def test_once_it_is_being_paid_it_is_not_changed(call, order):
    assert call("POST", "payments", {"order_id": "cart-1"}).status_code == 201
    told = check_problem(
        call("PUT", "orders/cart-1", {"metadata": {}}), 409, "order_not_modifiable"
    )
    assert "payment_in_progress" in told["detail"]
    assert "created" in told["detail"]


def test_an_order_there_is_not_is_404(call):
    check_problem(call("PUT", "orders/nothing", {"amount": 5}), 404)
    check_problem(call("POST", "orders/nothing/cancel"), 404)


def test_an_email_can_be_taken_away(call, order, sql):
    assert call("PUT", "orders/cart-1", {"customer_email": None}).status_code == 200
    assert sql("SELECT customer_email FROM orders") is None
