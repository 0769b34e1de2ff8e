"""Rows with a life cycle: only `transition_to` moves them, and never without its event."""

import threading

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from gateway.kernel.db import lock, transaction
from gateway.kernel.errors import IllegalTransition
from gateway.kernel.events import Event
from gateway.orders.models import Order, OrderStatus
from gateway.payments.models import Payment, PaymentStatus
from gateway.stripe_events.models import StripeEventStatus

from .support import ACTOR, at_once, made, order, order_fields, payment, stripe_event

S = OrderStatus


def move(row, *statuses):
    """Each step in a transaction of its own."""
    for status in statuses:
        with transaction(actor=ACTOR) as tx:
            lock(tx, type(row), row.id).transition_to(status)


def latest_event(subject_id):
    with transaction(actor=ACTOR) as tx:
        rows = select(Event).filter_by(subject_id=subject_id).order_by(Event.seq.desc())
        return tx.scalars(rows).first()


def test_a_status_cannot_be_assigned(shop):
    row = made(order, shop)

    with pytest.raises(AttributeError):
        row.status = S.CANCELLED


def test_a_status_cannot_be_passed_at_birth(shop, sql):
    for name in ("status", "_status"):
        with pytest.raises(TypeError, match=f"cannot start with {name}"):
            made(order, shop, **{name: S.PACKAGING})

    assert sql("SELECT count(*) FROM orders") == 0


def test_a_status_cannot_be_passed_among_the_changes(shop, history):
    row = made(order, shop)

    with transaction(actor=ACTOR) as tx, pytest.raises((AttributeError, TypeError)):
        lock(tx, Order, row.id).record("order.updated", status=S.CANCELLED)

    assert history(row.id) == ["order.created"]


def test_a_row_is_born_in_the_first_state(shop):
    assert made(order, shop).status == "created"
    assert made(payment, shop).status == "pending"


def test_a_move_writes_status_changes_and_event_together(shop, sql, history):
    row = made(order, shop)

    with transaction(actor=ACTOR) as tx:
        lock(tx, Order, row.id).transition_to(S.CANCELLED, reason="expired")

    assert sql("SELECT status || ' ' || reason FROM orders") == "cancelled expired"
    assert history(row.id) == ["order.created", "order.cancelled"]
    event = latest_event(row.id)
    assert (event.from_status, event.to_status) == ("created", "cancelled")
    assert (event.merchant_id, event.livemode) == (shop.merchant_id, False)


def test_an_illegal_move_is_refused_and_nothing_is_written(shop, sql, history):
    row = made(order, shop)

    with pytest.raises(IllegalTransition, match="from created to packaging"):
        move(row, S.PACKAGING)

    assert sql("SELECT status FROM orders") == "created"
    assert history(row.id) == ["order.created"]


def test_a_move_to_where_it_stands_is_illegal(shop):
    with pytest.raises(IllegalTransition):
        move(made(order, shop), S.CREATED)


def test_nothing_leads_out_of_a_final_state(shop):
    row = made(order, shop)
    move(row, S.CANCELLED)

    with transaction(actor=ACTOR) as tx:
        cancelled = lock(tx, Order, row.id)
        assert not any(cancelled.can(status) for status in S)


def test_a_row_without_a_transaction_cannot_move(shop, history):
    row = made(order, shop)

    with pytest.raises(RuntimeError, match="only inside a transaction"):
        row.transition_to(S.CANCELLED)

    assert history(row.id) == ["order.created"]


def test_the_second_entry_tells_updated_not_the_status_again(shop, history):
    row = made(order, shop)

    move(row, S.PAYMENT_IN_PROGRESS, S.PAYMENT_FAILED, S.PAYMENT_IN_PROGRESS, S.PAYMENT_FAILED)
    move(row, S.PAYMENT_DONE)

    assert history(row.id) == [
        "order.created",
        "order.payment_in_progress",
        "order.payment_failed",
        "order.updated",
        "order.updated",
        "order.payment_done",
    ]


def test_the_first_entry_of_another_row_is_its_own(shop, history):
    first, second = made(order, shop), made(order, shop)

    move(first, S.PAYMENT_IN_PROGRESS)
    move(second, S.PAYMENT_IN_PROGRESS)

    assert history(second.id) == ["order.created", "order.payment_in_progress"]


def test_a_move_can_tell_another_word(shop, history):
    row = made(order, shop)

    with transaction(actor=ACTOR) as tx:
        lock(tx, Order, row.id).transition_to(S.CANCELLED, tells="order.updated")

    assert history(row.id) == ["order.created", "order.updated"]


def test_a_change_without_a_move_is_recorded(shop, history, sql):
    row = made(payment, shop)

    with transaction(actor=ACTOR) as tx:
        lock(tx, Payment, row.id).record("payment.attempt_declined", failure_code="card_declined")

    event = latest_event(row.id)
    assert (event.type, event.from_status, event.to_status) == (
        "payment.attempt_declined",
        "pending",
        "pending",
    )
    assert event.data["failure"] == {"code": "card_declined", "message": None}


@pytest.mark.parametrize("path", ["orders", "payments"])
def test_an_event_has_the_shape_of_the_api(client, shop, path):
    row = made(order, shop, reference="shape-1") if path == "orders" else made(payment, shop)

    shown = client.get(f"/api/v1/{path}/{row.id}", headers=shop.headers).json

    assert latest_event(row.id).data == shown


def test_an_event_keeps_what_was_true_then(shop):
    row = made(order, shop)
    then = latest_event(row.id).data

    move(row, S.CANCELLED)

    with transaction(actor=ACTOR) as tx:
        first = tx.scalars(select(Event).filter_by(type="order.created")).one()
    assert first.data == then
    assert first.data["status"] == "created"


def test_rows_with_a_log_of_their_own_write_no_events(shop, sql):
    row = made(stripe_event, shop)

    move(row, StripeEventStatus.PROCESSED)

    assert sql("SELECT status FROM stripe_events") == "processed"
    assert sql("SELECT count(*) FROM events") == 0


def test_queries_by_status_work(shop):
    row, other = made(order, shop), made(order, shop)
    move(other, S.CANCELLED)

    with transaction(actor=ACTOR) as tx:
        assert [o.id for o in tx.scalars(select(Order).where(Order.status == S.CREATED))] == [
            row.id
        ]
        assert [o.id for o in tx.scalars(select(Order).filter_by(status="cancelled"))] == [other.id]
        assert tx.scalar(select(Order.id).where(Order.status.in_((S.CANCELLED,)))) == other.id


def test_a_started_row_can_be_changed_in_the_same_transaction(shop, sql, history):
    with transaction(actor=ACTOR) as tx:
        row = order(tx, shop)
        row.transition_to(S.CANCELLED, reason="at once")

    assert sql("SELECT status || ' ' || reason FROM orders") == "cancelled at once"
    assert history(row.id) == ["order.created", "order.cancelled"]


def test_starting_on_a_taken_key_raises(shop):
    made(order, shop, reference="taken")

    with pytest.raises(IntegrityError):
        made(order, shop, reference="taken")


def test_start_once_returns_nothing_on_a_taken_key(shop, sql):
    made(order, shop, reference="taken")

    with transaction(actor=ACTOR) as tx:
        assert Order.start_once(tx, **order_fields(shop, reference="taken", amount=5)) is None

    assert sql("SELECT count(*) FROM orders") == 1
    assert sql("SELECT count(*) FROM events") == 1


def test_start_once_waits_for_the_one_that_is_writing(shop, sql):
    wrote, seen = threading.Event(), []

    def second():
        wrote.wait(5)
        with transaction(actor=ACTOR) as tx:
            seen.append(Order.start_once(tx, **order_fields(shop, reference="once")))

    thread = threading.Thread(target=second)
    thread.start()
    with transaction(actor=ACTOR) as tx:
        Order.start_once(tx, **order_fields(shop, reference="once"))
        wrote.set()
        thread.join(0.2)
        assert seen == []
    thread.join(5)

    assert seen == [None]
    assert sql("SELECT count(*) FROM orders") == 1


def test_start_once_takes_over_when_the_first_one_fails(shop, sql, history):
    wrote, made_rows = threading.Event(), []

    def second():
        wrote.wait(5)
        with transaction(actor=ACTOR) as tx:
            made_rows.append(Order.start_once(tx, **order_fields(shop, reference="once")))

    thread = threading.Thread(target=second)
    thread.start()

    def fail():
        with transaction(actor=ACTOR) as tx:
            Order.start_once(tx, **order_fields(shop, reference="once"))
            wrote.set()
            thread.join(0.1)
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - our own, two lines above
        fail()
    thread.join(5)

    assert history(made_rows[0].id) == ["order.created"]
    assert sql("SELECT count(*) FROM events") == 1


def test_one_key_at_once_makes_one_row(shop, sql):
    def start(_):
        with transaction(actor=ACTOR) as tx:
            return Order.start_once(tx, **order_fields(shop, reference="rush"))

    rows = at_once(6, start)

    assert sum(row is not None for row in rows) == 1
    assert sql("SELECT count(*) FROM orders") == sql("SELECT count(*) FROM events") == 1


def test_one_live_payment_per_order_even_by_hand(shop, sql):
    first = made(payment, shop)

    with pytest.raises(IntegrityError, match="payments_one_live_per_order_key"):
        made(payment, shop, order_id=first.order_id, attempt=2)

    move(first, PaymentStatus.FAILED)
    assert made(payment, shop, order_id=first.order_id, attempt=2).status == "pending"


def test_the_latest_event_agrees_with_every_row(shop):
    row = made(order, shop)
    move(row, S.PAYMENT_IN_PROGRESS, S.PAYMENT_FAILED, S.CANCELLED)

    with transaction(actor=ACTOR) as tx:
        disagreeing = tx.scalar(
            text(
                "SELECT count(*) FROM orders o WHERE status IS DISTINCT FROM (SELECT to_status"
                " FROM events WHERE subject_id = o.id ORDER BY seq DESC LIMIT 1)"
            )
        )
    assert disagreeing == 0


def test_a_model_reads_its_row_as_it_was_written(shop):
    row = made(order, shop, reference="r", meta={"a": "b"}, items=[{"name": "x"}])

    with transaction(actor=ACTOR) as tx:
        read = tx.get(Order, row.id)
        same = ("id", "status", "reference", "meta", "items", "amount", "created_at", "lease")
        assert [getattr(read, name) for name in same] == [getattr(row, name) for name in same]
