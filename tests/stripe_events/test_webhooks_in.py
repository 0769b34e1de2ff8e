"""Stripe's events: stored once, in any order, from anyone; they make a payment due and no more."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests_support import signed, tell

from gateway.app import create_app
from gateway.kernel.db import transaction
from gateway.kernel.runs import start

BASE = {"object": "event", "api_version": "2026-10-28.endive", "created": 1, "livemode": False}


def event(event_id="evt_1", type="checkout.session.completed", **subject):
    known = {"id": "cs_unknown", "object": "checkout.session", "metadata": {}}
    return BASE | {"id": event_id, "type": type, "data": {"object": known | subject}}


def stored(sql, id="evt_1"):
    return sql("SELECT status FROM stripe_events WHERE stripe_event_id = :id", id=id)


def due(sql, payment_id):
    return sql("SELECT due_at <= gateway_now() FROM payments WHERE id = :id", id=payment_id)


@pytest.fixture
def opened(client, shop, stripe, drain):
    body = {"order_id": "order-1", "amount": 1999, "currency": "EUR"}
    payment = client.post("/api/v1/payments", json=body, headers=shop.headers).json
    drain()
    return client.get(f"/api/v1/payments/{payment['id']}", headers=shop.headers).json


@pytest.mark.parametrize(
    "names",
    [
        lambda payment, sql: {
            "id": sql("SELECT stripe_session_id FROM payments WHERE id = :id", id=payment["id"])
        },
        lambda payment, _: {"client_reference_id": payment["id"]},
        lambda payment, _: {"metadata": {"payment_id": payment["id"]}},
    ],
)
def test_an_event_makes_its_payment_due(client, opened, sql, names):
    assert due(sql, opened["id"]) is False

    answer = tell(client, event(**names(opened, sql)))

    assert (answer.status_code, answer.json) == (200, {"received": True, "duplicate": False})
    assert stored(sql) == "received"
    assert due(sql, opened["id"]) is True


def test_an_intents_id_is_learned_from_its_metadata_and_matches_later(client, opened, sql):
    first = {"id": "pi_1", "object": "payment_intent", "metadata": {"payment_id": opened["id"]}}
    tell(client, event("evt_1", "payment_intent.created", **first))
    charge = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "metadata": {}}
    tell(client, event("evt_2", "charge.succeeded", **charge))

    assert stored(sql, "evt_2") == "received"
    matched = sql("SELECT payment_id FROM stripe_events WHERE stripe_event_id = 'evt_2'")
    assert matched == opened["id"]


def test_an_event_is_processed_once_stripe_was_asked_after_it(client, opened, sql, drain):
    tell(client, event(client_reference_id=opened["id"]))
    drain()

    assert stored(sql) == "processed"


def test_an_event_that_comes_during_the_question_is_asked_about_again(
    client, opened, sql, drain, monkeypatch
):
    from workers import payments as tasks

    tell(client, event("evt_1", client_reference_id=opened["id"]))
    fetch = tasks.client.fetch_session
    asked = []

    def slow(session_id):
        asked.append(session_id)
        if len(asked) == 1:
            tell(client, event("evt_2", client_reference_id=opened["id"]))
        return fetch(session_id)

    monkeypatch.setattr(tasks.client, "fetch_session", slow)
    drain()

    assert len(asked) == 2
    assert (stored(sql, "evt_1"), stored(sql, "evt_2")) == ("processed", "processed")


def test_the_same_event_a_hundred_times_at_once_is_one(client, opened, sql, drain, history):
    raw = json.dumps(event(client_reference_id=opened["id"]))
    # One app for all, as in a web process: CPython 3.11 may not parse in several threads at once
    # (gh-106905), and Flask parses as it adds a route.
    app, barrier = create_app(), threading.Barrier(20)

    def send(_):
        own = app.test_client()
        barrier.wait()
        return [
            own.post("/webhooks/stripe", data=raw, headers=signed(raw)).json["duplicate"]
            for _ in range(5)
        ]

    with ThreadPoolExecutor(20) as pool:
        duplicates = [each for answers in pool.map(send, range(20)) for each in answers]
    drain()

    assert duplicates.count(False) == 1
    assert sql("SELECT count(*) FROM stripe_events") == 1
    assert history(opened["id"]) == ["payment.created", "payment.requires_action"]


def test_a_type_that_is_not_about_payments_is_ignored(client, sql):
    assert tell(client, event(type="customer.created")).status_code == 200

    assert stored(sql) == "ignored"


@pytest.mark.parametrize(
    "subject",
    [
        {},
        {"id": None},
        {"object": "something.new"},
        {"object": "charge", "payment_intent": {"id": "pi_x"}},
        {"metadata": None, "client_reference_id": "pay_nobody"},
    ],
)
def test_what_is_not_ours_stays_visible_as_unmatched(client, sql, subject):
    assert tell(client, event(type="charge.updated", **subject)).status_code == 200

    assert stored(sql) == "unmatched"


def test_the_other_mode_is_ignored_and_harmless(client, opened, sql):
    live = event(client_reference_id=opened["id"]) | {"livemode": True}
    assert tell(client, live).status_code == 200

    assert stored(sql) == "ignored"
    assert due(sql, opened["id"]) is False


def test_an_event_that_came_before_its_payment_is_matched_by_reconciliation(
    client, shop, stripe, sql, drain
):
    body = {"order_id": "order-1", "amount": 1999, "currency": "EUR"}
    payment = client.post("/api/v1/payments", json=body, headers=shop.headers).json
    drain()
    session = sql("SELECT stripe_session_id FROM payments")
    sql("UPDATE payments SET stripe_session_id = NULL, due_at = NULL")
    tell(client, event("evt_early", id=session))
    assert stored(sql, "evt_early") == "unmatched"
    sql("UPDATE payments SET stripe_session_id = :s", s=session)

    with transaction(actor="test:reconcile") as tx:
        start(tx, "reconcile")
    drain()

    assert stored(sql, "evt_early") == "processed"
    matched = sql("SELECT payment_id FROM stripe_events")
    assert matched == payment["id"]


def test_an_old_shape_of_stripes_api_does_no_harm(client, opened, sql):
    old = event(client_reference_id=opened["id"]) | {"api_version": "2017-08-15"}
    del old["data"]["object"]["metadata"]
    assert tell(client, old).status_code == 200
    assert stored(sql) == "received"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xfe", {}, 400),
        (b"{}", {"Stripe-Signature": "t=1,v1=\xe9"}, 400),
        (b"{}", {}, 400),
        (b"x" * (256 * 1024 + 1), {}, 413),
        (b"x" * (1024 * 1024), {}, 413),
    ],
)
def test_garbage_from_strangers_is_a_400_or_413(client, sql, body, headers, status):
    answer = client.post("/webhooks/stripe", data=body, headers=headers)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert sql("SELECT count(*) FROM stripe_events") == 0
