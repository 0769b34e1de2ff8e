"""Pieces: counted by the merchant, promised to orders, never fewer than none."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import ProgrammingError
from tests_support import check_problem

from gateway.app import create_app

TEA = {"sku": "tea", "name": "Tea", "quantity": 1, "unit_amount": 500}


@pytest.fixture
def shopkeeper(client, shop):
    def call(method, path, body=None, keys=None):
        headers = (keys or shop).headers
        return client.open(f"/api/v1/{path}", method=method, json=body, headers=headers)

    return call


def count(shopkeeper, on_hand, sku="tea"):
    answer = shopkeeper("PUT", f"inventory/{sku}", {"on_hand": on_hand})
    assert answer.status_code == 200, answer.json
    return answer.json


def order(shopkeeper, *items, reference=None):
    body = {"currency": "EUR", "items": list(items)} | (
        {"reference": reference} if reference else {}
    )
    return shopkeeper("POST", "orders", body)


def stock(shopkeeper, sku="tea"):
    return shopkeeper("GET", f"inventory/{sku}").json


def test_a_sku_is_tracked_from_its_first_count(shopkeeper):
    check_problem(shopkeeper("GET", "inventory/tea"), 404)
    assert order(shopkeeper, TEA).status_code == 201  # not tracked: never asked for
    counted = count(shopkeeper, 5)

    assert counted == {"sku": "tea", "on_hand": 5, "reserved": 0, "available": 5}
    assert stock(shopkeeper) == counted
    assert count(shopkeeper, 3)["available"] == 3


def test_an_order_reserves_its_pieces_of_all_lines(shopkeeper):
    count(shopkeeper, 5)
    assert order(shopkeeper, TEA, TEA | {"quantity": 2}).status_code == 201

    assert stock(shopkeeper) == {"sku": "tea", "on_hand": 5, "reserved": 3, "available": 2}
    refused = order(shopkeeper, TEA | {"quantity": 3}, reference="too-much")
    told = check_problem(refused, 409, "out_of_stock")
    assert "2 of 'tea' are available" in told["detail"]
    assert shopkeeper("GET", "orders/too-much").status_code == 404
    assert stock(shopkeeper)["reserved"] == 3


def test_all_or_nothing_is_reserved(shopkeeper):
    count(shopkeeper, 5)
    count(shopkeeper, 1, "cup")
    cups = TEA | {"sku": "cup", "quantity": 2}
    check_problem(order(shopkeeper, TEA, cups), 409, "out_of_stock")

    assert (stock(shopkeeper)["reserved"], stock(shopkeeper, "cup")["reserved"]) == (0, 0)


def test_reserved_pieces_cannot_be_counted_away(shopkeeper):
    count(shopkeeper, 5)
    order(shopkeeper, TEA | {"quantity": 4})
    told = check_problem(
        shopkeeper("PUT", "inventory/tea", {"on_hand": 3}), 409, "stock_below_reserved"
    )

    assert "4 are reserved" in told["detail"]
    assert count(shopkeeper, 4)["available"] == 0


def test_a_changed_order_reserves_the_difference(shopkeeper):
    count(shopkeeper, 5)
    made = order(shopkeeper, TEA | {"quantity": 4}).json

    def change(quantity):
        items = [TEA | {"quantity": quantity}]
        return shopkeeper("PUT", f"orders/{made['id']}", {"items": items})

    assert change(5).status_code == 200
    assert stock(shopkeeper)["reserved"] == 5
    check_problem(change(6), 409, "out_of_stock")
    assert change(1).json["amount"] == 500
    assert stock(shopkeeper)["reserved"] == 1
    assert shopkeeper("PUT", f"orders/{made['id']}", {"amount": 700}).json["items"] == []
    assert stock(shopkeeper)["reserved"] == 0


def test_a_repeated_order_reserves_once(shopkeeper):
    count(shopkeeper, 5)
    first = order(shopkeeper, TEA, reference="cart-1")
    again = order(shopkeeper, TEA, reference="cart-1")

    assert (first.status_code, again.status_code) == (201, 200)
    assert stock(shopkeeper)["reserved"] == 1


def test_stock_is_of_one_merchant_and_mode(shopkeeper, shop, new_shop):
    count(shopkeeper, 5)
    other = new_shop("Another")

    check_problem(shopkeeper("GET", "inventory/tea", keys=other), 404)
    assert shopkeeper("GET", "inventory", keys=other).json["data"] == []


def test_stock_is_listed_by_name_a_page_at_a_time(shopkeeper):
    for sku in ("c", "a", "b"):
        count(shopkeeper, 1, sku)
    first = shopkeeper("GET", "inventory?limit=2").json
    rest = shopkeeper("GET", "inventory?limit=2&starting_after=b").json

    assert ([each["sku"] for each in first["data"]], first["has_more"]) == (["a", "b"], True)
    assert ([each["sku"] for each in rest["data"]], rest["has_more"]) == (["c"], False)


def test_five_hundred_buyers_share_a_hundred_pieces(shopkeeper, shop, sql):
    count(shopkeeper, 100)
    app = create_app()

    def buy(_):
        body = {"currency": "EUR", "items": [TEA]}
        with app.test_client() as client:
            return client.post("/api/v1/orders", json=body, headers=shop.headers).status_code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(buy, range(500)))

    assert (answers.count(201), answers.count(409)) == (100, 400)
    assert stock(shopkeeper) == {"sku": "tea", "on_hand": 100, "reserved": 100, "available": 0}
    assert sql("SELECT sum(quantity) FROM stock_movements WHERE to_place = 'reserved'") == 100


def test_movements_are_never_changed(shopkeeper, sql):
    count(shopkeeper, 5)
    for statement in (
        "UPDATE stock_movements SET quantity = 9",
        "DELETE FROM stock_movements",
        "TRUNCATE stock_movements",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            sql(statement)
