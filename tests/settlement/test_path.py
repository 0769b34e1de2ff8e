"""The main path, task by task in this process, against the real sandbox."""

from tests_support import tell

BODY = {"order_id": "ord_test_001", "amount": 50000, "currency": "INR", "method": "upi"}


def create(client, shop, **changes):
    body = BODY | {"vpa": "test@upi"} | changes
    return client.post("/api/v1/payments", json=body, headers=shop.headers)


def read(client, shop, payment_id):
    return client.get(f"/api/v1/payments/{payment_id}", headers=shop.headers).json


def test_a_payment_is_opened_paid_and_told(client, shop, stripe, drain, history):
    payment = create(client, shop).json
    drain()
    opened = read(client, shop, payment["id"])
    assert opened["status"] == "requires_action"
    assert opened["checkout_url"].startswith(stripe.url)

    stripe.pay(opened["checkout_url"], vpa="test@upi")
    for event in stripe.events():
        assert tell(client, event).status_code == 200
    drain()

    paid = read(client, shop, payment["id"])
    assert (paid["status"], paid["amount_captured"], paid["checkout_url"]) == (
        "succeeded",
        50000,
        None,
    )
    assert history(payment["id"]) == [
        "payment.created",
        "payment.requires_action",
        "payment.succeeded",
    ]
    assert history(payment["order_id"]) == [
        "order.created",
        "order.payment_in_progress",
        "order.payment_done",
    ]
    again = create(client, shop)
    assert (again.status_code, again.json["code"]) == (409, "order_already_paid")


def test_a_visit_of_the_return_page_proves_nothing(client, shop, stripe, drain, history):
    payment = create(client, shop).json
    drain()

    page = client.get(f"/pay/{payment['client_secret']}/return?outcome=paid&status=succeeded")
    drain()

    assert page.status_code == 200
    assert "Checking your payment" in page.text
    assert read(client, shop, payment["id"])["status"] == "requires_action"
    assert history(payment["id"]) == ["payment.created", "payment.requires_action"]
