"""Orders: made once per reference, read by id or reference, listed newest first."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.app import create_app
from gateway.kernel.db import lock, transaction
from gateway.kernel.ids import is_id
from gateway.orders.models import Order, OrderStatus

ITEMS = [
    {"sku": "tea-1", "name": "Green tea", "quantity": 2, "unit_amount": 450},
    {"name": "Cup", "quantity": 1, "unit_amount": 1200},
]
PLAIN = {"currency": "EUR", "amount": 1999}
FIELDS = {
    "id",
    "reference",
    "status",
    "currency",
    "amount",
    "items",
    "reason",
    "cancel_requested_at",
    "expires_at",
    "metadata",
    "created_at",
    "updated_at",
    "livemode",
}


def post(client, shop, **body):
    return client.post("/api/v1/orders", json=body, headers=shop.headers)


def get(client, shop, path=""):
    return client.get(f"/api/v1/orders{path}", headers=shop.headers)


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json["data"]]


def test_an_order_with_items_is_priced_by_the_server(client, shop, history):
    answer = post(client, shop, reference="ord-1", currency="eur", items=ITEMS, metadata={"a": "b"})

    order = answer.json
    assert answer.status_code == 201
    assert set(order) == FIELDS
    assert is_id(order["id"], "ord")
    assert (order["status"], order["amount"], order["currency"]) == ("created", 2100, "EUR")
    assert (order["reference"], order["items"]) == ("ord-1", ITEMS)
    assert (order["metadata"], order["livemode"]) == ({"a": "b"}, False)
    assert order["created_at"] == order["updated_at"]
    assert order["created_at"].endswith("Z")
    assert history(order["id"]) == ["order.created"]


def test_an_order_with_an_amount_has_no_items(client, shop):
    order = post(client, shop, **PLAIN).json

    assert (order["amount"], order["items"], order["reference"]) == (1999, [], None)


def test_currencies_without_decimals_are_taken_as_they_are(client, shop):
    assert post(client, shop, currency="JPY", amount=1000).json["amount"] == 1000


def test_texts_of_every_script_come_back_as_they_went(client, shop):
    name = "<script>{{7*7}}</script> ${jndi:x} =HYPERLINK() عربي 🫖"
    metadata = {"note": "'; DROP TABLE orders--", "🗝": "\u202eevil"}

    order = post(
        client, shop, currency="EUR", items=[ITEMS[0] | {"name": name}], metadata=metadata
    ).json

    again = get(client, shop, f"/{order['id']}")
    assert again.json == order
    assert order["items"][0]["name"] == name
    assert order["metadata"] == metadata
    assert again.content_type == "application/json"


def test_an_item_name_may_have_200_signs_of_four_bytes(client, shop):
    items = [ITEMS[0] | {"name": "🫖" * 200}]

    assert post(client, shop, currency="EUR", items=items).status_code == 201


def test_orders_without_a_reference_are_all_new(client, shop):
    first, second = post(client, shop, **PLAIN), post(client, shop, **PLAIN)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["id"] != second.json["id"]


@pytest.mark.parametrize(
    "content",
    [PLAIN, {"currency": "EUR", "items": ITEMS}, PLAIN | {"customer_email": "a@b.example"}],
    ids=["an amount", "items", "an e-mail"],
)
def test_the_same_reference_and_content_is_the_same_order(client, shop, sql, content):
    first = post(client, shop, reference="r-1", metadata={"b": "1", "a": "2"}, **content)

    again = post(client, shop, metadata={"a": "2", "b": "1"}, reference="r-1", **content)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    assert sql("SELECT count(*) FROM orders") == sql("SELECT count(*) FROM events") == 1


OTHER_CONTENT = [
    {"amount": 2000},
    {"currency": "USD"},
    {"metadata": {"a": "c"}},
    {"customer_email": "a@b.example"},
    {"amount": None, "items": [{"name": "x", "quantity": 1, "unit_amount": 1999}]},
]


def test_the_same_reference_with_another_content_is_409(client, shop, sql):
    first = post(client, shop, reference="r-1", **PLAIN).json

    for change in OTHER_CONTENT:
        body = {name: value for name, value in (PLAIN | change).items() if value is not None}
        answer = post(client, shop, reference="r-1", **body)
        assert (answer.status_code, answer.json["code"]) == (409, "duplicate_order"), change
        assert first["id"] in answer.json["detail"]

    assert sql("SELECT count(*) FROM orders") == 1


def test_the_same_reference_finds_the_order_wherever_it_stands(client, shop):
    first = post(client, shop, reference="r-1", **PLAIN).json
    with transaction(actor="test:act") as tx:
        lock(tx, Order, first["id"]).transition_to(OrderStatus.CANCELLED)

    answer = post(client, shop, reference="r-1", **PLAIN)

    assert (answer.status_code, answer.json["status"]) == (200, "cancelled")


def test_a_reference_belongs_to_one_merchant(client, new_shop):
    one, two = new_shop("One"), new_shop("Two")

    first, second = (post(client, shop, reference="r-1", **PLAIN) for shop in (one, two))

    assert (first.status_code, second.status_code) == (201, 201)
    assert get(client, two, "/r-1").json["id"] == second.json["id"]


def test_a_reference_belongs_to_one_mode(client, new_shop):
    test, live = new_shop("One"), new_shop("Two", livemode=True)
    with transaction(actor="test:setup") as tx:
        tx.connection().exec_driver_sql(
            f"UPDATE api_keys SET merchant_id = '{test.merchant_id}' WHERE livemode"
        )

    first, second = (post(client, shop, reference="r-1", **PLAIN) for shop in (test, live))

    assert [first.json["livemode"], second.json["livemode"]] == [False, True]
    assert get(client, live, "/r-1").json["id"] == second.json["id"]
    assert ids(get(client, test)) == [first.json["id"]]


def test_twenty_at_once_with_one_reference_are_one_order(shop, sql):

    app = create_app()
    with ThreadPoolExecutor(20) as pool:
        posts = [
            pool.submit(post, app.test_client(), shop, reference="rush", **PLAIN) for _ in range(20)
        ]
        answers = [each.result() for each in posts]

    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sql("SELECT count(*) FROM orders") == sql("SELECT count(*) FROM events") == 1


def test_an_order_is_read_by_id_and_by_reference(client, shop):
    order = post(client, shop, reference="A.b:c_d-1", **PLAIN).json

    assert get(client, shop, f"/{order['id']}").json == order
    assert get(client, shop, "/A.b:c_d-1").json == order


@pytest.mark.parametrize("name", ["nothing", "ord_" + "0" * 26, "a.b:c_d-1"])
def test_what_is_not_there_is_404(client, shop, name):
    post(client, shop, reference="A.b:c_d-1", **PLAIN)

    answer = get(client, shop, f"/{name}")

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert name in answer.json["detail"]


@pytest.fixture
def five(client, shop):
    """Five orders, newest first; the second and fourth are cancelled."""
    made = []
    for number in range(5):
        made.append(post(client, shop, reference=f"r-{number}", **PLAIN).json["id"])
        time.sleep(0.002)
    with transaction(actor="test:act") as tx:
        for order_id in (made[1], made[3]):
            lock(tx, Order, order_id).transition_to(OrderStatus.CANCELLED)
    return made[::-1]


def test_orders_are_listed_newest_first(client, shop, five):
    answer = get(client, shop)

    assert ids(answer) == five
    assert set(answer.json) == {"data", "has_more"}
    assert answer.json["has_more"] is False
    assert answer.json["data"][0] == get(client, shop, f"/{five[0]}").json


def test_orders_come_in_pages(client, shop, five):
    seen, path = [], "?limit=2"
    for _ in range(3):
        answer = get(client, shop, path)
        seen += ids(answer)
        path = f"?limit=2&starting_after={seen[-1]}"

    assert seen == five
    assert answer.json["has_more"] is False


def test_orders_are_filtered_by_status_and_by_reference(client, shop, five):
    assert ids(get(client, shop, "?status=cancelled")) == [five[1], five[3]]
    assert ids(get(client, shop, "?status=created&limit=2")) == [five[0], five[2]]
    assert ids(get(client, shop, "?reference=r-0")) == [five[4]]
    assert ids(get(client, shop, "?reference=r-0&status=cancelled")) == []
    assert ids(get(client, shop, "?reference=nothing")) == []


def test_a_list_has_the_callers_own_only(client, new_shop, shop, five):
    other = new_shop("Other")
    theirs = post(client, other, **PLAIN).json["id"]

    assert ids(get(client, other)) == [theirs]
    assert theirs not in ids(get(client, shop))
    refused = get(client, other, f"?starting_after={five[0]}")
    assert (refused.status_code, refused.json["errors"][0]["param"]) == (422, "starting_after")
