"""One block, one commit, one actor, one instant, and no network inside."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from gateway.kernel.db import assert_no_transaction, lock, now, transaction
from gateway.kernel.errors import NotFound
from gateway.kernel.events import Event
from gateway.orders.models import Order
from gateway.processor import client as processor

from .support import ACTOR, made, order


class Fault(Exception):
    pass


def test_a_block_that_ends_well_commits_row_and_event(shop, sql, history):
    with transaction(actor=ACTOR) as tx:
        row = order(tx, shop)

    assert sql("SELECT status FROM orders WHERE id = :id", id=row.id) == "created"
    assert history(row.id) == ["order.created"]


def test_a_block_that_fails_takes_row_and_event_back(shop, sql, history):
    ids = []

    def fail():
        with transaction(actor=ACTOR) as tx:
            ids.append(order(tx, shop).id)
            raise Fault

    with pytest.raises(Fault):
        fail()

    assert sql("SELECT count(*) FROM orders") == 0
    assert history(ids[0]) == []


def test_a_change_that_fails_takes_its_event_back(shop, sql, history):
    row = made(order, shop)

    def fail():
        with transaction(actor=ACTOR) as tx:
            lock(tx, Order, row.id).record("order.updated", reason="never")
            raise Fault

    with pytest.raises(Fault):
        fail()

    assert sql("SELECT reason FROM orders WHERE id = :id", id=row.id) is None
    assert history(row.id) == ["order.created"]


def test_transactions_do_not_nest(database):
    with transaction(actor=ACTOR), pytest.raises(RuntimeError, match="do not nest"):
        transaction(actor=ACTOR).__enter__()


def test_a_failed_block_leaves_the_way_free_for_the_next(database):
    with pytest.raises(Fault), transaction(actor=ACTOR):
        raise Fault

    with transaction(actor=ACTOR) as tx:
        assert tx.scalar(select(1)) == 1


def test_the_network_is_refused_inside_and_allowed_outside(database):
    with transaction(actor=ACTOR), pytest.raises(RuntimeError, match="no network"):
        assert_no_transaction()

    assert_no_transaction()


def test_the_stripe_client_refuses_to_speak_inside_a_transaction(database):
    with transaction(actor=ACTOR), pytest.raises(RuntimeError, match="no network"):
        processor.fetch_session("cs_test_1")


def test_postgresql_ends_a_transaction_that_idles(sql):
    assert sql("SHOW idle_in_transaction_session_timeout") == "5s"
    assert sql("SHOW lock_timeout") == "2s"
    assert sql("SHOW statement_timeout") == "5s"


def test_every_event_names_the_actor_of_its_block(shop, sql):
    row = made(order, shop)

    with transaction(actor="operator:ada") as tx:
        lock(tx, Order, row.id).record("order.updated", reason="a wish")

    actors = "SELECT string_agg(actor, ' ' ORDER BY seq) FROM events WHERE subject_id = :id"
    assert sql(actors, id=row.id) == "test:setup operator:ada"


def test_a_request_is_the_actor_of_what_it_changes(client, shop, sql):
    body = {"currency": "EUR", "amount": 5}
    answer = client.post("/api/v1/orders", json=body, headers=shop.headers)

    written = sql("SELECT actor || ' ' || request_id FROM events")
    assert written == f"key:{shop.caller.key_id} {answer.headers['Request-Id']}"


def test_now_is_one_instant_all_through_a_transaction(database):
    with transaction(actor=ACTOR) as tx:
        before = now(tx)
        tx.execute(text("SELECT pg_sleep(0.02)"))
        assert now(tx) == before
        assert tx.scalar(text("SELECT gateway_now()")) == before
    with transaction(actor=ACTOR) as tx:
        assert now(tx) > before


def test_now_follows_the_clock_row(advance):
    with transaction(actor=ACTOR) as tx:
        today = now(tx)

    advance(3 * 86400)

    with transaction(actor=ACTOR) as tx:
        moved = now(tx) - today
    assert timedelta(days=3) <= moved < timedelta(days=3, seconds=10)
    assert today - datetime.now(UTC) < timedelta(seconds=10)


def test_now_is_in_utc(database):
    with transaction(actor=ACTOR) as tx:
        assert now(tx).utcoffset() == timedelta(0)


def test_rows_carry_the_gateways_time(shop, advance):
    advance(86400)

    row = made(order, shop)

    assert row.created_at == row.updated_at
    assert row.created_at - datetime.now(UTC) > timedelta(hours=23)


def test_a_lock_reads_the_row_fresh(shop):
    row = made(order, shop)
    with transaction(actor=ACTOR) as tx:
        stale = tx.get(Order, row.id)
        tx.execute(text("UPDATE orders SET reason = 'told behind our back'"))
        assert stale.reason is None

        assert lock(tx, Order, row.id).reason == "told behind our back"


def test_a_lock_on_nothing_is_not_found(database):
    with transaction(actor=ACTOR) as tx, pytest.raises(NotFound, match="ord_gone"):
        lock(tx, Order, "ord_gone")


def test_an_event_is_written_once_per_change(shop, sql):
    row = made(order, shop)
    with transaction(actor=ACTOR) as tx:
        assert tx.scalar(select(Event.to_status).filter_by(subject_id=row.id)) == "created"
    assert sql("SELECT count(*) FROM events") == 1
