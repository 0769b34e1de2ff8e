"""Tasks: a hint may come twice, late, or for nothing; poison ends in words, not in a loop."""

import threading

import pytest

from gateway.kernel import runs
from gateway.kernel.db import transaction
from gateway.kernel.due import MAX_ATTEMPTS
from gateway.kernel.idempotency import IdempotencyKey
from gateway.payments.service import make_due
from workers import callbacks, clock  # noqa: F401 - they register their tasks
from workers import payments as tasks
from workers.app import app


@pytest.fixture
def payment(client, shop, stripe):
    body = {"order_id": "order-1", "amount": 1999, "currency": "EUR"}
    return client.post("/api/v1/payments", json=body, headers=shop.headers).json["id"]


def state(sql, payment_id, column):
    return sql(f"SELECT {column} FROM payments WHERE id = :id", id=payment_id)


def test_a_repeated_hint_does_nothing(payment, stripe, history):
    for _ in range(3):
        app.tasks["payments.submit"](payment)

    assert history(payment) == ["payment.created", "payment.requires_action"]
    assert len(stripe.sessions(payment)) == 1


def test_many_hints_at_once_ask_stripe_once(payment, stripe, history):
    barrier = threading.Barrier(8)

    def work():
        barrier.wait()
        app.tasks["payments.submit"](payment)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert history(payment) == ["payment.created", "payment.requires_action"]
    assert len(stripe.sessions(payment)) == 1


@pytest.mark.parametrize(
    "name", ["payments.submit", "payments.refresh", "callbacks.deliver", "clock.step"]
)
def test_a_hint_for_nothing_does_nothing(database, name):
    app.tasks[name]("pay_nobody")


def test_a_job_nobody_knows_is_refused_by_name(database, sql, caplog):
    app.tasks["clock.start"]("brew_tea")

    assert "there is no job" in caplog.text
    assert "known: reconcile, balance, check, prune" in caplog.text
    assert sql("SELECT count(*) FROM runs") == 0


def test_a_refresh_of_what_has_no_session_does_nothing(payment, sql):
    app.tasks["payments.refresh"](payment)

    assert state(sql, payment, "lease") == 0


def test_a_fault_of_ours_ends_in_words_and_hourly_tries(
    payment, drain, advance, sql, monkeypatch, client
):
    def poison(*_):
        raise KeyError("a bug")

    monkeypatch.setattr(tasks, "_apply", poison)
    for _ in range(MAX_ATTEMPTS + 3):
        drain()
        advance(61)

    assert "No try" in state(sql, payment, "needs_attention")
    assert state(sql, payment, "attempts") < MAX_ATTEMPTS + 3
    assert state(sql, payment, "status") == "pending"
    assert client.get("/readyz").json["checks"]["attention"]["ok"] is False

    monkeypatch.undo()


def test_reconciliation_asks_about_every_open_payment_and_ends(
    client, shop, stripe, drain, advance, sql, payment
):
    drain()
    url = client.get(f"/api/v1/payments/{payment}", headers=shop.headers).json["checkout_url"]
    stripe.pay(url)
    with transaction(actor="test:reconcile") as tx:
        run = runs.start(tx, "reconcile")
    for _ in range(4):
        drain()
        advance(1)

    assert sql("SELECT status FROM runs WHERE id = :id", id=run.id) == "succeeded"
    assert sql("SELECT done FROM runs WHERE id = :id", id=run.id) == 1
    assert state(sql, payment, "status") == "succeeded"


def test_a_reconciliation_that_stripe_does_not_answer_says_so(
    client, shop, stripe, drain, advance, sql, payment
):
    drain()
    stripe.faults(error_before=1.0)
    with transaction(actor="test:reconcile") as tx:
        run = runs.start(tx, "reconcile")
    for _ in range(30):
        drain()
        advance(61)

    assert sql("SELECT status FROM runs WHERE id = :id", id=run.id) == "failed"
    assert "could not be read in time" in sql("SELECT error FROM runs WHERE id = :id", id=run.id)
    assert state(sql, payment, "status") == "requires_action"


def test_pruning_takes_old_keys_and_nothing_else(client, shop, drain, advance, sql, stripe):
    for number in range(3):
        client.post(
            "/api/v1/orders",
            json={"currency": "EUR", "amount": 5},
            headers=shop.headers | {"Idempotency-Key": f"k{number}"},
        )
    advance(31 * 86400)
    client.post(
        "/api/v1/orders",
        json={"currency": "EUR", "amount": 5},
        headers=shop.headers | {"Idempotency-Key": "young"},
    )
    drain()
    events = sql("SELECT count(*) FROM events")
    with transaction(actor="test:prune") as tx:
        run = runs.start(tx, "prune")
    for _ in range(4):
        drain()
        advance(1)

    with transaction(actor="test:look") as tx:
        assert [key.key for key in tx.query(IdempotencyKey)] == ["young"]
    assert sql("SELECT status FROM runs WHERE id = :id", id=run.id) == "succeeded"
    assert sql("SELECT count(*) FROM events") == events


def test_news_during_a_claim_is_looked_at_afterwards(payment, drain, sql, monkeypatch):
    drain()
    with transaction(actor="test:news") as tx:
        make_due(tx, payment)
    fetch = tasks.client.fetch_session
    calls = []

    def slow(session_id):
        calls.append(session_id)
        if len(calls) == 1:
            with transaction(actor="test:news") as tx:
                make_due(tx, payment)
        return fetch(session_id)

    monkeypatch.setattr(tasks.client, "fetch_session", slow)
    drain()

    assert len(calls) == 2
