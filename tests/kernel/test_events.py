"""The numbering of events: gap-free, in the order in which changes became visible, once."""

import threading

import pytest
from sqlalchemy import select

from gateway.kernel.db import lock, transaction
from gateway.kernel.events import Event, number_new, write_recorded
from gateway.orders.models import Order
from gateway.payments.models import Payment
from workers.relay import Relay

from .support import ACTOR, at_once, endpoint, made, order, payment


def number(limit=500):
    with transaction(actor="relay:number") as tx:
        return number_new(tx, limit=limit)


def numbered():
    """(position, merchant, mode, sequence) of every event that has a number."""
    with transaction(actor=ACTOR) as tx:
        columns = (Event.position, Event.merchant_id, Event.livemode, Event.sequence)
        rows = tx.execute(
            select(*columns).where(Event.position.is_not(None)).order_by(Event.position)
        )
        return [tuple(row) for row in rows]


def sequences(merchant_id, *, livemode=False):
    return [
        sequence
        for _, whose, mode, sequence in numbered()
        if (whose, mode) == (merchant_id, livemode)
    ]


def test_nothing_new_is_nothing_to_number(database):
    assert number() is None


def test_a_pass_tells_the_first_and_last_position(shop):
    for _ in range(3):
        made(order, shop)
    assert number() == (1, 3)

    made(order, shop)
    assert number() == (4, 4)
    assert number() is None


def test_positions_have_no_gaps_and_sequences_count_per_merchant_and_mode(new_shop):
    one, two = new_shop("One"), new_shop("Two")
    for shop, livemode in ((one, False), (two, False), (one, True), (one, False), (two, True)):
        made(order, shop, livemode=livemode)
    number(limit=3)
    made(order, one)
    number()

    assert [position for position, *_ in numbered()] == [1, 2, 3, 4, 5, 6]
    assert sequences(one.merchant_id) == [1, 2, 3]
    assert sequences(one.merchant_id, livemode=True) == [1]
    assert sequences(two.merchant_id) == [1]
    assert sequences(two.merchant_id, livemode=True) == [1]


def test_a_pass_takes_no_more_than_its_limit_and_the_next_goes_on(shop):
    for _ in range(5):
        made(order, shop)

    assert [number(limit=2) for _ in range(4)] == [(1, 2), (3, 4), (5, 5), None]


def test_what_is_not_committed_is_numbered_later_without_a_gap(shop, history):
    began, done = threading.Event(), threading.Event()
    ids = []

    def slow():
        with transaction(actor=ACTOR) as tx:
            ids.append(order(tx, shop).id)
            write_recorded(tx)  # the lower seq
            began.set()
            done.wait(5)

    thread = threading.Thread(target=slow)
    thread.start()
    began.wait(5)
    quick = made(order, shop)  # the higher seq, visible first
    first_pass = number()
    done.set()
    thread.join(5)

    assert (first_pass, number()) == ((1, 1), (2, 2))
    with transaction(actor=ACTOR) as tx:
        rows = tx.execute(select(Event.subject_id, Event.sequence).order_by(Event.seq)).all()
    assert [tuple(row) for row in rows] == [(ids[0], 2), (quick.id, 1)]


def test_a_rollback_leaves_no_gap(shop):
    made(order, shop)

    def fail():
        with transaction(actor=ACTOR) as tx:
            order(tx, shop)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    made(order, shop)

    assert number() == (1, 2)
    assert sequences(shop.merchant_id) == [1, 2]


def test_a_numbering_that_is_rolled_back_is_done_again(shop):
    made(order, shop)

    def fail():
        with transaction(actor=ACTOR) as tx:
            assert number_new(tx, limit=10) == (1, 1)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()

    assert numbered() == []
    assert number() == (1, 1)


def test_while_one_relay_numbers_another_does_nothing(shop):
    made(order, shop)
    with transaction(actor=ACTOR) as tx:
        assert number_new(tx, limit=10) == (1, 1)

        assert at_once(1, lambda _: number()) == [None]

    assert number() is None


def test_relays_at_once_number_each_event_and_make_each_delivery_once(shop, sql):
    made(endpoint, shop)
    for _ in range(30):
        made(order, shop)

    def passes(_):
        relay = Relay(lambda hints: None)
        return sum(relay.number() for _ in range(20))

    counts = at_once(4, passes)
    counts.append(passes(0))  # whoever lost the last race leaves nothing undone

    assert sum(counts) == 31
    assert [position for position, *_ in numbered()] == list(range(1, 32))
    assert sequences(shop.merchant_id) == list(range(1, 32))
    assert sql("SELECT count(*) FROM callback_deliveries") == 31
    assert sql("SELECT count(DISTINCT event_id) FROM callback_deliveries") == 31


def test_relays_at_once_with_writers_leave_no_gap(shop):
    def work(number_of_thread):
        for _ in range(8):
            if number_of_thread % 2:
                made(payment, shop)
            else:
                Relay(lambda hints: None).number()

    assert at_once(6, work) == [None] * 6
    while number():
        pass

    expected = list(range(1, 3 * 8 * 2 + 1))
    assert [position for position, *_ in numbered()] == expected
    assert sequences(shop.merchant_id) == expected


def test_the_sequence_of_one_row_follows_its_changes(shop):
    row = made(payment, shop)
    for kind, type in ((Payment, "payment.attempt_declined"), (Order, "order.updated")):
        with transaction(actor=ACTOR) as tx:
            lock(tx, kind, row.id if kind is Payment else row.order_id).record(type)
    number()

    with transaction(actor=ACTOR) as tx:
        told = tx.scalars(select(Event.type).order_by(Event.sequence))
        assert list(told) == [
            "order.created",
            "payment.created",
            "payment.attempt_declined",
            "order.updated",
        ]
