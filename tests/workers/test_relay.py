"""The relay's pass: numbering, fan-out, hints; as much as workers can hold, and never too often."""

import threading
import time

import pytest
from sqlalchemy.exc import SQLAlchemyError

from gateway.kernel import runs
from gateway.kernel.db import transaction
from gateway.kernel.heartbeats import Pulse, beat
from workers import relay as relays
from workers.app import app
from workers.relay import OWED, Process, Relay


@pytest.fixture
def workers(database):
    """Pretend that workers with so many slots are alive."""

    def make(slots=8, queues=("stripe", "callbacks", "clock")):
        with transaction(actor="test:workers") as tx:
            beat(
                tx,
                *(Pulse(f"test:{queue}", "worker", queue=queue, slots=slots) for queue in queues),
            )

    return make


@pytest.fixture
def buy(client, shop):
    def make(number):
        body = {"order_id": f"order-{number}", "amount": 500, "currency": "EUR"}
        answer = client.post("/api/v1/payments", json=body, headers=shop.headers)
        return answer.json["id"]

    return make


def quiet(send):
    relay = Relay(send)
    relay.looked_overdue = time.monotonic()
    return relay


def names(hints):
    return [hint[:2] for hint in hints]


def test_a_due_payment_is_hinted_once_and_again_when_nobody_took_it(workers, buy, monkeypatch):
    workers()
    payment = buy(1)
    sent = []
    relay = quiet(sent.extend)
    relay.run_once()
    relay.run_once()
    assert names(sent) == [("payments.submit", payment)]

    monkeypatch.setattr(relays, "REPEAT_SECONDS", 0.0)
    relay.run_once()

    assert names(sent) == [("payments.submit", payment)] * 2


def test_a_row_that_was_served_and_is_due_again_is_hinted_at_once(workers, buy, sql):
    workers()
    buy(1)
    sent = []
    relay = quiet(sent.extend)
    relay.run_once()
    sql("UPDATE payments SET due_at = gateway_now()")  # as news does

    relay.run_once()

    assert len(sent) == 2


def test_one_hint_stands_for_all_callbacks_of_a_second(
    workers, client, shop, receiver, buy, sql, monkeypatch
):
    receiver.register(client, shop, events=["payment.created"])
    workers(queues=("callbacks",))
    sent = []
    relay = quiet(sent.extend)
    for number in range(3):
        buy(number)
        relay.run_once()
    assert sql("SELECT count(*) FROM callback_deliveries") == 3
    assert names(sent) == [("callbacks.deliver", "all")]

    monkeypatch.setattr(relays, "CALL_AGAIN_SECONDS", 0.0)
    relay.run_once()

    assert names(sent) == [("callbacks.deliver", "all")] * 2


def test_hints_are_no_more_than_about_twice_what_workers_hold(workers, buy):
    workers(slots=2)
    for number in range(10):
        buy(number)
    sent = []
    relay = quiet(sent.extend)
    for _ in range(5):
        relay.run_once()

    assert len(sent) == 4


def test_without_a_worker_nothing_is_hinted_and_nothing_is_lost(workers, buy):
    payment = buy(1)
    sent = []
    relay = quiet(sent.extend)
    relay.run_once()
    assert sent == []

    workers()
    relay.run_once()

    assert names(sent) == [("payments.submit", payment)]


def test_a_broker_that_is_away_stops_hints_but_not_numbering(workers, buy, sql):
    workers()
    buy(1)

    def broken(_):
        raise OSError("no broker")

    relay = quiet(broken)
    with pytest.raises(OSError, match="no broker"):
        relay.run_once()

    assert sql("SELECT count(*) FROM events WHERE position IS NULL") == 0


def test_two_relays_at_once_number_every_event_once(workers, buy, sql, shop):
    for number in range(30):
        buy(number)
    barrier = threading.Barrier(4)
    errors = []

    def work():
        relay = quiet(lambda hints: None)
        barrier.wait()
        for _ in range(20):
            try:
                relay.number()
            except SQLAlchemyError as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    events = sql("SELECT count(*) FROM events")
    assert sql("SELECT count(DISTINCT position) FROM events") == events
    assert sql("SELECT max(position) FROM events") == events
    assert sql("SELECT max(sequence) FROM events") == events


def test_a_job_that_beat_forgot_is_hinted(workers, database):
    workers()
    sent = []
    Relay(sent.extend).run_once()

    assert sorted(names(sent)) == sorted(("clock.start", job) for job in runs.JOBS)
    for _, job, _ in sent:
        app.tasks["clock.start"](job)
        app.tasks["clock.start"](job)
    with transaction(actor="test:runs") as tx:
        assert runs.overdue(tx) == []


def test_every_task_that_can_be_hinted_exists():
    names = {owed.task for owed in OWED} | {relays.START}

    assert names <= set(app.tasks)
    assert {name for name in app.tasks if not name.startswith("celery.")} == names


def test_a_turn_survives_a_database_that_is_away(database, monkeypatch):
    from tests_support import forget

    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    forget()
    process = Process()

    assert process.one_turn() == relays.ERROR_SECONDS


def test_publishing_to_a_broker_that_is_away_raises_what_the_relay_expects(database):
    errors = relays.broker_errors()
    began = time.monotonic()
    with pytest.raises(errors):
        relays.publish([("payments.submit", "pay_1", None)])

    assert time.monotonic() - began < 10


def test_hints_arrive_at_the_broker_in_one_batch(database, servers):
    with app.connection_for_write(servers.redis.url) as connection:
        pool = app.producer_pool
        assert pool is not None
        channel = connection.default_channel
        channel.client.flushdb()
        producer = app.amqp.Producer(connection)
        with producer.batch():
            for number in range(100):
                app.send_task("payments.submit", args=[f"pay_{number}"], producer=producer)
        assert channel.client.llen("stripe") == 100
        channel.client.flushdb()
