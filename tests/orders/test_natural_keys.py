"""POST /payments without an Idempotency-Key: the order itself keeps a repetition harmless."""

import threading

import pytest

from gateway.app import create_app
from gateway.kernel.db import lock, transaction
from gateway.kernel.ids import is_id
from gateway.orders.models import Order, OrderStatus
from gateway.payments.models import Payment, PaymentStatus
from gateway.payments.schemas import client_secret

BODY = {"order_id": "ord-1", "amount": 50000, "currency": "INR", "method": "upi", "vpa": "test@upi"}
PLAIN = {"currency": "EUR", "amount": 1999}


def pay(client, shop, **body):
    return client.post("/api/v1/payments", json=body, headers=shop.headers)


def new_order(client, shop, **body):
    return client.post("/api/v1/orders", json=PLAIN | body, headers=shop.headers).json


def code(answer):
    return answer.status_code, answer.json.get("code")


def end(payment_id, payment_status, order_status):
    """Both moves, as settlement would make them."""
    with transaction(actor="test:act") as tx:
        payment = tx.get_one(Payment, payment_id)
        order = lock(tx, Order, payment.order_id)
        lock(tx, Payment, payment_id).transition_to(payment_status, due_at=None)
        if order_status is not None:
            order.transition_to(order_status)


def counts(sql):
    return sql("SELECT count(*) FROM payments"), sql("SELECT count(*) FROM orders")


def test_a_reference_never_seen_makes_the_order_and_the_payment(client, shop, sql, history):
    answer = pay(client, shop, **BODY, metadata={"a": "b"})

    payment = answer.json
    assert answer.status_code == 201
    assert is_id(payment["id"], "pay")
    assert (payment["status"], payment["attempt"]) == ("pending", 1)
    assert (payment["amount"], payment["currency"], payment["method"]) == (50000, "INR", "upi")
    assert (payment["order_reference"], payment["vpa"]) == ("ord-1", "te**@upi")
    assert (payment["checkout_url"], payment["failure"]) == (None, None)
    assert (payment["capture_method"], payment["metadata"]) == ("automatic", {"a": "b"})
    assert (payment["amount_captured"], payment["amount_refunded"]) == (0, 0)
    assert payment["certainty"] == "confirmed"
    assert history(payment["id"]) == ["payment.created"]
    assert history(payment["order_id"]) == ["order.created", "order.payment_in_progress"]
    order = client.get("/api/v1/orders/ord-1", headers=shop.headers).json
    assert (order["amount"], order["currency"], order["items"]) == (50000, "INR", [])
    assert order["status"] == "payment_in_progress"


def test_a_new_payment_is_due_at_once(client, shop, sql):
    payment = pay(client, shop, **BODY).json

    assert payment["next_check_at"] == payment["created_at"]
    assert sql("SELECT due_at <= gateway_now() AND leased_until IS NULL FROM payments")


def test_the_secret_of_the_page_is_told_to_who_made_it_and_to_nobody_else(client, shop, sql):
    payment = pay(client, shop, **BODY).json

    assert payment["client_secret"] == client_secret(payment["id"])
    for path in (f"payments/{payment['id']}", "payments", f"orders/{payment['order_id']}"):
        answer = client.get(f"/api/v1/{path}", headers=shop.headers)
        assert "_secret_" not in answer.text
    assert "_secret_" not in sql("SELECT string_agg(data::text, '') FROM events")
    assert "test@upi" not in sql("SELECT string_agg(data::text, '') FROM events")


@pytest.mark.parametrize("by", ["id", "reference"])
def test_amount_and_currency_are_the_orders_when_left_out(client, shop, by):
    order = new_order(client, shop, reference="r-1")

    answer = pay(client, shop, order_id=order["id"] if by == "id" else "r-1")

    assert answer.status_code == 201
    assert (answer.json["amount"], answer.json["currency"]) == (1999, "EUR")
    assert (answer.json["order_id"], answer.json["order_reference"]) == (order["id"], "r-1")


def test_the_same_post_again_is_the_same_payment(client, shop, sql):
    first = pay(client, shop, **BODY)

    again = pay(client, shop, **BODY)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    assert counts(sql) == (1, 1)
    assert sql("SELECT count(*) FROM events") == 3


def test_the_same_post_said_in_other_words_is_the_same_payment(client, shop):
    order = new_order(client, shop, reference="r-1")
    first = pay(client, shop, order_id="r-1")

    again = pay(client, shop, order_id=order["id"], currency="eur", amount=1999, metadata={})

    assert (again.status_code, again.json["id"]) == (200, first.json["id"])


OTHER_PARAMETERS = [
    {"amount": 50001},
    {"vpa": "other@upi"},
    {"method": "card", "vpa": None},
    {"metadata": {"a": "b"}},
    {"return_url": "https://shop.example/done"},
    {"capture_method": "manual", "method": "card", "vpa": None},
    {"amount": 50000, "currency": "EUR", "method": "card", "vpa": None},
]


def test_other_parameters_while_it_is_paid_are_409(client, shop, sql):
    first = pay(client, shop, **BODY).json

    for change in OTHER_PARAMETERS:
        answer = pay(client, shop, **(BODY | change))
        assert code(answer) == (409, "payment_in_progress"), change
        assert first["id"] in answer.json["detail"]

    assert counts(sql) == (1, 1)


def test_another_amount_than_the_orders_is_409(client, shop, sql, history):
    order = new_order(client, shop)

    for wrong in ({"amount": 2000}, {"currency": "USD"}, {"amount": 2000, "currency": "USD"}):
        answer = pay(client, shop, order_id=order["id"], **wrong)
        assert code(answer) == (409, "order_amount_mismatch"), wrong
        assert "1999 EUR" in answer.json["detail"]

    assert counts(sql) == (0, 1)
    assert history(order["id"]) == ["order.created"]


def test_a_reference_never_seen_needs_amount_and_currency(client, shop, sql):
    for given in ({}, {"amount": 1999}, {"currency": "EUR"}):
        answer = pay(client, shop, order_id="new", **given)
        assert code(answer) == (422, "invalid_request")
        named = {error["param"] for error in answer.json["errors"]}
        assert named == {"amount", "currency"} - set(given)

    assert counts(sql) == (0, 0)


def test_an_order_id_never_seen_is_404_and_makes_nothing(client, shop, sql):
    answer = pay(client, shop, **(BODY | {"order_id": "ord_" + "0" * 26}))

    assert code(answer) == (404, "not_found")
    assert counts(sql) == (0, 0)


def test_the_order_of_another_merchant_is_404_and_its_reference_is_free(client, new_shop, sql):
    one, two = new_shop("One"), new_shop("Two")
    order = new_order(client, one, reference="r-1")

    assert code(pay(client, two, order_id=order["id"], **PLAIN)) == (404, "not_found")
    made = pay(client, two, order_id="r-1", **PLAIN)

    assert made.status_code == 201
    assert made.json["order_id"] != order["id"]
    assert code(pay(client, one, order_id=made.json["order_id"])) == (404, "not_found")


def test_upi_takes_rupees_only_whoever_names_the_currency(client, shop):
    order = new_order(client, shop)

    answer = pay(client, shop, order_id=order["id"], method="upi")

    assert code(answer) == (422, "invalid_request")
    assert answer.json["errors"][0]["param"] == "method"


def test_a_paid_order_is_409_whatever_is_sent(client, shop, sql):
    payment = pay(client, shop, **BODY).json
    end(payment["id"], PaymentStatus.SUCCEEDED, OrderStatus.PAYMENT_DONE)

    for body in (BODY, BODY | {"amount": 1}, {"order_id": payment["order_id"]}):
        assert code(pay(client, shop, **body)) == (409, "order_already_paid")
    assert counts(sql) == (1, 1)


def test_a_cancelled_order_is_409(client, shop):
    order = new_order(client, shop)
    with transaction(actor="test:act") as tx:
        lock(tx, Order, order["id"]).transition_to(OrderStatus.CANCELLED)

    assert code(pay(client, shop, order_id=order["id"])) == (409, "order_cancelled")


def test_after_a_failure_the_same_post_is_the_next_attempt(client, shop, history):
    first = pay(client, shop, **BODY).json
    end(first["id"], PaymentStatus.FAILED, OrderStatus.PAYMENT_FAILED)

    second = pay(client, shop, **BODY)

    assert (second.status_code, second.json["attempt"]) == (201, 2)
    assert second.json["id"] != first["id"]
    assert history(first["order_id"])[-1] == "order.updated"


def test_a_payment_under_review_holds_the_order(client, shop, sql):
    payment = pay(client, shop, **BODY).json
    end(payment["id"], PaymentStatus.REVIEW, None)

    assert code(pay(client, shop, **BODY)) == (409, "payment_in_progress")
    assert counts(sql) == (1, 1)


def test_payments_are_found_by_their_order(client, shop):
    payment = pay(client, shop, **BODY).json
    new = pay(client, shop, order_id="other", **PLAIN).json

    def listed(query):
        answer = client.get(f"/api/v1/payments?{query}", headers=shop.headers)
        return [row["id"] for row in answer.json["data"]]

    assert listed("order_id=ord-1") == listed(f"order_id={payment['order_id']}") == [payment["id"]]
    assert set(listed("status=pending")) == {payment["id"], new["id"]}
    assert listed("status=succeeded") == []


def test_fifty_at_once_make_one_payment_and_one_order(shop, sql, history):
    app, barrier, answers = create_app(), threading.Barrier(50), []

    def post():
        client = app.test_client()
        barrier.wait(20)
        answers.append(pay(client, shop, **BODY))

    threads = [threading.Thread(target=post) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert counts(sql) == (1, 1)
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert {answer.json["id"] for answer in answers} == {sql("SELECT id FROM payments")}
    assert history(sql("SELECT id FROM orders")) == ["order.created", "order.payment_in_progress"]
    assert history(sql("SELECT id FROM payments")) == ["payment.created"]


def test_fifty_at_once_with_other_amounts_make_one_payment(shop, sql):
    """Whoever comes first decides; nobody else is served or harmed."""
    app, barrier, answers = create_app(), threading.Barrier(50), []

    def post(number):
        client = app.test_client()
        barrier.wait(20)
        answers.append(pay(client, shop, **(BODY | {"amount": 1000 + number})))

    threads = [threading.Thread(target=post, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert counts(sql) == (1, 1)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    assert {code(answer)[1] for answer in answers} == {None, "payment_in_progress"}
