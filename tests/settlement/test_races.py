"""Two who want what excludes the other, started together, fifty times: one wins, the other is told,
and nobody waits for ever.
"""

import threading

import pytest

from gateway.app import create_app
from gateway.kernel.db import lock, transaction
from gateway.payments.models import Payment, PaymentStatus
from gateway.payments.service import make_due
from workers.payments import refresh

ROUNDS = 50
DAY = 86400 + 61
TEA = {"sku": "tea", "name": "Tea", "quantity": 1, "unit_amount": 1999}


@pytest.fixture
def together(shop):
    """Two calls at one moment; what each answered, in order."""
    app = create_app()

    def run(*calls):
        barrier, answers = threading.Barrier(len(calls)), [None] * len(calls)

        def act(number, call):
            with app.test_client() as client:
                barrier.wait(10)
                answers[number] = call(client)

        threads = [threading.Thread(target=act, args=each) for each in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        return answers

    return run


@pytest.fixture
def post(shop):
    def made(path, body=None):
        url = f"/api/v1/{path}"
        return lambda client: client.post(url, json=body, headers=shop.headers)

    return made


@pytest.fixture
def stands(buyer):
    """A payment that Stripe is said to have brought here."""

    def make(order_id, status, **changes):
        payment = buyer.buy(order_id, capture_method="manual")
        with transaction(actor="test:setup") as tx:
            row = lock(tx, Payment, payment["id"])
            row.requested_at = row.created_at
            row.stripe_session_id = f"cs_{payment['id']}"
            row.stripe_intent_id = f"pi_{payment['id']}"
            row.transition_to(status, due_at=None, **changes)
        return payment["id"]

    return make


def codes(answers):
    return sorted((each.status_code, each.json.get("code")) for each in answers)


def test_capture_against_cancel(stands, together, post):
    outcomes = set()
    for number in range(ROUNDS):
        payment = stands(f"order-{number}", PaymentStatus.AUTHORIZED)
        answers = together(post(f"payments/{payment}/capture"), post(f"payments/{payment}/cancel"))
        assert codes(answers) in (
            [(201, None), (409, "capture_pending")],
            [(202, None), (409, "payment_not_capturable")],
        )
        outcomes.add(answers[0].status_code)
    assert outcomes <= {201, 409}


def test_two_refunds_over_the_total(stands, together, post, sql):
    for number in range(ROUNDS):
        payment = stands(f"order-{number}", PaymentStatus.SUCCEEDED, amount_captured=1999)
        half = post(f"payments/{payment}/refunds", {"amount": 1200})
        assert codes(together(half, half)) == [(201, None), (409, "refund_exceeds_captured")]
    assert sql("SELECT max(n) FROM (SELECT count(*) n FROM refunds GROUP BY payment_id) r") == 1


def test_two_orders_for_the_last_piece(buyer, together, post):
    for number in range(ROUNDS):
        buyer.made("inventory/tea", {"on_hand": number + 1}, "PUT")
        body = {"currency": "EUR", "items": [TEA]}
        assert codes(together(post("orders", body), post("orders", body))) == [
            (201, None),
            (409, "out_of_stock"),
        ]
    assert buyer.stock() == (ROUNDS, ROUNDS)


def test_two_orders_for_two_skus_in_either_order(buyer, together, post):
    """Locked in the order they are written in, these would wait for each other."""
    for sku in ("a", "b"):
        buyer.made(f"inventory/{sku}", {"on_hand": 1000}, "PUT")
    items = [TEA | {"sku": "a"}, TEA | {"sku": "b"}]
    for _ in range(ROUNDS):
        one = post("orders", {"currency": "EUR", "items": items})
        other = post("orders", {"currency": "EUR", "items": items[::-1]})
        assert codes(together(one, other, one, other)) == [(201, None)] * 4
    assert buyer.stock("a") == buyer.stock("b") == (1000, 4 * ROUNDS)


def test_two_payments_for_one_order(buyer, together, post):
    for number in range(ROUNDS):
        body = {"order_id": f"order-{number}", "amount": 1999, "currency": "EUR"}
        one, other = post("payments", body), post("payments", body | {"method": "card"})
        assert codes(together(one, other)) == [(201, None), (409, "payment_in_progress")]


@pytest.fixture
def shoppers(buyer, stripe, drain):
    """Fifty payments that are paid, of which the gateway has not heard yet."""
    bought = [buyer.buy(f"order-{number}")["id"] for number in range(ROUNDS)]
    drain()
    for payment in bought:
        stripe.pay(buyer.read(payment)["checkout_url"])
        with transaction(actor="test:news") as tx:
            make_due(tx, payment)
    return bought


def test_cancel_against_pay(shoppers, together, post, drain, buyer):
    """The merchant cancels while the news of a success are applied."""
    for payment in shoppers:
        cancel, _ = together(post(f"payments/{payment}/cancel"), lambda _, id=payment: refresh(id))
        assert (cancel.status_code, cancel.json.get("code")) in (
            (202, None),
            (409, "payment_not_cancellable"),
        )
    drain()

    for payment in shoppers:
        after = buyer.read(payment)
        assert (after["status"], after["cancel_requested_at"]) == ("succeeded", None)
        assert buyer.order(after["order_id"])["status"] == "payment_done"


def test_retry_against_success(shoppers, together, post, stripe, drain, buyer, sql):
    """Another attempt is asked for while the news of a success are applied."""
    followed = []
    for payment in shoppers:
        retry, _ = together(post(f"payments/{payment}/retry"), lambda _, id=payment: refresh(id))
        assert (retry.status_code, retry.json.get("code")) in (
            (201, None),
            (409, "payment_not_retryable"),
        )
        followed += [retry.json["id"]] if retry.status_code == 201 else []
    drain()

    for payment in shoppers:
        after = buyer.read(payment)
        assert after["status"] == "succeeded"
        assert buyer.order(after["order_id"])["status"] == "payment_done"
    assert {buyer.read(payment)["status"] for payment in followed} <= {"cancelled"}
    assert len(stripe.sessions()) == ROUNDS  # none for those that came too late
    assert sql("SELECT count(*) FROM refunds") == 0


def test_retry_against_a_late_success(together, post, stripe, drain, later, buyer, sql):
    """The first attempts had expired; they are paid all the same while the next are made."""
    bought = [buyer.buy(f"late-{number}")["id"] for number in range(ROUNDS)]
    drain()
    later(DAY)
    for payment in bought:
        assert buyer.read(payment)["status"] == "expired"
    for session in stripe.sessions():
        stripe.lever("POST", f"sessions/{session['id']}/complete", force=True)
    for payment in bought:
        with transaction(actor="test:news") as tx:
            make_due(tx, payment)
        retry, _ = together(post(f"payments/{payment}/retry"), lambda _, id=payment: refresh(id))
        assert (retry.status_code, retry.json.get("code")) in (
            (201, None),
            (409, "payment_not_retryable"),
        )
    drain()

    for payment in bought:
        after = buyer.read(payment)
        assert after["status"] == "succeeded"
        assert buyer.order(after["order_id"])["status"] == "payment_done"
    others = "SELECT count(*) FROM payments WHERE attempt = 2 AND status <> 'cancelled'"
    assert sql(others) == 0
