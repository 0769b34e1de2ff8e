"""What must not end the engine, wear out an endpoint or be at others' cost."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress

import pytest
from tests_support import Receiver, forget

from gateway.callbacks import circuit, service
from gateway.callbacks.models import DisabledCode, Endpoint, EndpointStatus
from gateway.callbacks.transfers import Transfers
from gateway.dev.walk import wait_for
from gateway.kernel import db
from gateway.kernel.heartbeats import Pulse, beat
from workers import clerks
from workers.app import app
from workers.callbacks import Pump
from workers.flow import FIRST_AT_ONCE, MOST_WAITING, Flow
from workers.relay import Relay

NO = (500, {}, b"")


@pytest.fixture
def slow_schedule(monkeypatch, database):
    """The patience of production: 15 s for an answer, days for all attempts."""
    monkeypatch.delenv("WEBHOOK_RETRY_INTERVALS_TEST")
    monkeypatch.setenv("GATEWAY_CALLBACK_TIMEOUT", "15")
    forget()


@contextmanager
def running(pump: Pump):
    """The pump in a thread of its own, until the block ends; what it raises is raised here."""
    pump.linger = 60.0
    raised = []

    def run():
        try:
            pump.run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        pump.stop()
        thread.join(30)
        if pump.engine:
            pump.engine.close()
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def count(sql: Callable, what: str) -> int:
    return sql(f"SELECT {what} FROM callback_deliveries")


def test_an_endpoint_deleted_while_it_is_probed(client, shop, receiver, order, drain, sql):
    made = receiver.register(client, shop, events=["order.created"])
    with db.transaction(actor="test:failing") as tx:
        db.lock(tx, Endpoint, made["id"]).transition_to(
            EndpointStatus.DISABLED,
            disabled_code=DisabledCode.FAILING,
            disabled_message="Nothing but failures.",
            failing_since=db.now(tx),
            open_until=db.now(tx),
        )

    def delete(_):
        with db.transaction(actor="test:delete") as tx:
            service.delete(tx, shop.caller, made["id"])

    receiver.on_call = delete
    order()
    drain(only="callbacks.")

    assert len(receiver.calls) == 1
    assert sql("SELECT status FROM callback_endpoints") == "deleted"
    assert count(sql, "min(status)") == "delivered"


def test_what_waits_for_its_next_attempt_ends_with_its_endpoint(
    client, shop, receiver, order, drain, sql, slow_schedule
):
    made = receiver.register(client, shop, events=["order.created"])
    receiver.answers = [(503, {"Retry-After": "86400"}, b"")] * 2
    order()
    order()
    drain(only="callbacks.")
    assert count(sql, "count(*) FILTER (WHERE due_at > gateway_now())") == 2

    client.delete(f"/api/v1/webhook-endpoints/{made['id']}", headers=shop.headers)
    drain(only="callbacks.")

    assert count(sql, "count(*) FILTER (WHERE status = 'exhausted' AND due_at IS NULL)") == 2


def test_a_lock_on_one_endpoint_costs_nobody_a_second_callback(
    client, shop, receiver, order, drain, sql, slow_schedule
):
    """Longer than a statement waits for it: what was sent is written down later, not sent again."""
    ill = Receiver()
    ill.answers = [NO] * 10
    ill_id = ill.register(client, shop, events=["order.created"])["id"]
    receiver.register(client, shop, events=["order.created"])
    for _ in range(3):
        order()
    drain(only="nothing")
    with running(Pump()):
        with db.transaction(actor="test:lock") as tx:
            db.lock(tx, Endpoint, ill_id)
            wait_for("the callbacks", lambda: len(receiver.calls) == 3, seconds=10)
            time.sleep(2.5)
        delivered = "count(*) FILTER (WHERE status = 'delivered')"
        wait_for("the writing", lambda: count(sql, delivered) == 3, seconds=10)
    ill.close()

    assert len({headers["webhook-id"] for headers, _ in receiver.calls}) == 3
    assert sql("SELECT count(*) FROM callback_attempts") == len(receiver.calls) + len(ill.calls)


def test_a_delivery_claimed_again_while_it_is_under_way(
    client, shop, receiver, order, drain, advance, sql, slow_schedule
):
    receiver.register(client, shop, events=["order.created"])
    go = threading.Event()
    receiver.on_call = lambda _: go.wait(10)
    order()
    drain(only="nothing")
    pump = Pump()
    with running(pump):
        wait_for("the first", lambda: len(receiver.calls) == 1, seconds=10)
        advance(61)
        wait_for("the second", lambda: len(receiver.calls) == 2, seconds=10)
        go.set()
        wait_for("the end", lambda: count(sql, "min(status)") == "delivered", seconds=10)

    assert len({headers["webhook-id"] for headers, _ in receiver.calls}) == 1
    assert sql("SELECT count(*) FROM callback_attempts") == 1


def test_what_waits_for_a_probe_goes_round_no_circles(
    client, shop, receiver, order, drain, sql, slow_schedule
):
    receiver.register(client, shop, events=["order.created"])
    sql(
        "UPDATE callback_endpoints SET failures = 12, failing_since = gateway_now(),"
        " open_until = gateway_now()"
    )
    go = threading.Event()
    receiver.on_call = lambda _: go.wait(30)
    order()
    drain(only="nothing")
    with running(Pump()):
        wait_for("the probe", lambda: len(receiver.calls) == 1, seconds=10)
        order()
        sent = []
        relay = Relay(sent.extend)
        relay.looked_overdue = time.monotonic()
        for _ in range(30):
            with db.transaction(actor="test:heartbeat") as tx:
                beat(tx, Pulse("test:callbacks", "worker", queue="callbacks", slots=8))
            relay.run_once()
            while sent:
                name, subject, _ = sent.pop()
                if name == "callbacks.tend":
                    app.tasks[name](subject)
            time.sleep(0.02)
        claims = count(sql, "max(lease)")
        go.set()
        wait_for("the other", lambda: len(receiver.calls) == 2, seconds=10)

    assert claims <= 3


def test_an_endpoint_that_alternates_is_let_as_many_as_it_takes(
    client, shop, receiver, order, drain, sql, slow_schedule
):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers = [(200, {}, b""), NO] * 100
    for _ in range(60):
        order()
    drain(only="nothing")
    with running(Pump()):
        tried = "count(*) FILTER (WHERE attempted > 0)"
        wait_for("a try of each", lambda: count(sql, tried) == 60, seconds=60)

    assert count(sql, "sum(lease)") < 4 * len(receiver.calls)


def test_a_moment_of_failures_is_followed_by_a_short_rest(
    client, shop, receiver, order, drain, sql, slow_schedule
):
    """However many were on their way at that moment."""
    receiver.register(client, shop, events=["order.created"])
    for _ in range(8):
        order()
    pump = Pump()
    drain(only="nothing")
    with running(pump):
        wait_for("the good days", lambda: len(receiver.calls) == 8, seconds=10)
        receiver.on_call = lambda _: time.sleep(0.3)
        receiver.answers = [NO] * 100
        for _ in range(25):
            order()
        drain(only="nothing")
        opened = "SELECT open_until FROM callback_endpoints"
        wait_for("the opening", lambda: sql(opened) is not None, seconds=10)
        wait_for("the rest", lambda: not pump.engine.transfers, seconds=10)

    assert circuit.FAILURES_TO_OPEN <= sql("SELECT failures FROM callback_endpoints") <= 12


def test_stopped_while_it_claims_it_sends_nothing_of_that(
    client, shop, receiver, order, drain, sql, monkeypatch
):
    receiver.register(client, shop, events=["order.created"])
    order()
    drain(only="nothing")
    pump, take = Pump(), clerks.take

    def take_and_stop(most):
        taken = take(most)
        pump.stop()
        return taken

    monkeypatch.setattr(clerks, "take", take_and_stop)
    pump.run()

    assert receiver.calls == []
    assert sql("SELECT leased_until FROM callback_deliveries") is None


def test_who_answers_slowly_has_few_places(database):
    flow = Flow()
    for _ in range(5):
        flow.flying += 1
        flow.landed(well=True, seconds=0.1)
    assert flow.room == MOST_WAITING

    for seconds, places in ((1.1, 9), (3.0, 3), (14.0, FIRST_AT_ONCE)):
        flow.flying += 1
        flow.landed(well=True, seconds=seconds)
        assert flow.at_once == places
        assert flow.room == min(MOST_WAITING, 2 * places)


def test_an_attempt_is_one_post_whatever_happened_to_kept_connections(database):
    """A server that takes the request and hangs up: on a kept connection, and on each there is."""
    requests, hang_up = [], threading.Event()

    def serve(connection):
        with connection:
            while request := connection.recv(65536):
                requests.append(request)
                if hang_up.is_set():
                    return
                time.sleep(0.2)  # so that the others need connections of their own
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def accept():
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    sending, ended = Transfers(kept=100), []

    def send(several):
        ended.clear()
        for number in range(several):
            sending.start(number, url, {}, b"{}")
        while sending:
            ended.extend(sending.wait(0.1))
        return [result for _, result in ended]

    assert all(result.delivered for result in send(6))
    hang_up.set()
    (result,) = send(1)
    sending.close()
    listener.close()

    assert len(requests) == 6 + 1
    assert result.error == "The connection broke while the callback was sent."
