"""The engine: many at once, each endpoint by itself, nothing lost when it stops or dies."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from tests_support import Receiver, forget

from gateway.dev.walk import wait_for
from workers.callbacks import Pump, pump

SEVERAL = 20


@pytest.fixture
def hanging():
    """An address that takes connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    listener.close()


@pytest.fixture
def other():
    server = Receiver()
    yield server
    server.close()


def test_one_that_hangs_delays_nobody_else(
    client, shop, receiver, hanging, order, drain, sql, monkeypatch
):
    monkeypatch.setenv("GATEWAY_CALLBACK_TIMEOUT", "2")
    forget()
    well = receiver.register(client, shop, events=["order.created"])
    ill = receiver.register(client, shop, url=hanging, events=["order.created"])
    for _ in range(SEVERAL):
        order()
    drain(only="callbacks.")

    def moments(which, endpoint):
        return sql(
            f"SELECT {which}(recorded_at) FROM callback_attempts a JOIN callback_deliveries d"
            " ON d.id = a.delivery_id WHERE endpoint_id = :id",
            id=endpoint["id"],
        )

    assert len(receiver.calls) == SEVERAL
    assert moments("max", well) < moments("min", ill)


def test_one_that_hangs_is_asked_little(client, shop, hanging, receiver, order, drain, sql):
    receiver.register(client, shop, url=hanging, events=["order.created"])
    for _ in range(SEVERAL):
        order()
    drain(only="callbacks.")

    asked = sql("SELECT count(*) FROM callback_attempts")
    assert asked == 2
    assert sql("SELECT count(*) FROM callback_deliveries WHERE attempted = 0") == SEVERAL - asked


def test_no_more_at_once_than_allowed(client, shop, receiver, order, drain, monkeypatch):
    monkeypatch.setenv("GATEWAY_CALLBACK_CONCURRENCY", "5")
    forget()
    receiver.register(client, shop, events=["order.created"])
    here, most, lock = [], [], threading.Lock()

    def look(_):
        with lock:
            here.append(1)
            most.append(len(here))
        time.sleep(0.02)
        with lock:
            here.pop()

    receiver.on_call = look
    for _ in range(3 * SEVERAL):
        order()
    drain()

    assert len(receiver.calls) == 3 * SEVERAL
    assert 2 < max(most) <= 5


def test_what_one_endpoint_does_not_take_at_once_waits_in_its_lane(
    client, shop, receiver, order, drain, sql, monkeypatch
):
    monkeypatch.setattr("workers.flow.MOST_WAITING", 3)
    receiver.register(client, shop, events=["order.created"])
    lane = "SELECT count(*) FROM callback_deliveries WHERE status = 'pending' AND due_at IS NULL"
    for _ in range(30):
        order()
    drain()

    assert sql("SELECT count(*) FROM callback_deliveries WHERE lease > 1") > 0  # claimed again
    assert sql(lane) == 0
    assert sorted(body["sequence"] for body in receiver.verified()) == list(range(2, 32))
    assert sql("SELECT due_at FROM callback_endpoints") is None


def test_two_pumps_send_nothing_twice(client, shop, receiver, order, drain):
    receiver.register(client, shop, events=["order.created"])
    for _ in range(100):
        order()
    drain(only="nothing")
    pumps = [threading.Thread(target=Pump().run) for _ in range(3)]
    for each in pumps:
        each.start()
    for each in pumps:
        each.join()
    drain()

    assert len(receiver.calls) == 100
    assert len({headers["webhook-id"] for headers, _ in receiver.calls}) == 100


def test_a_call_to_a_busy_pump_returns_and_is_heard(client, shop, receiver, order, drain):
    receiver.register(client, shop, events=["order.created"])
    go, began = threading.Event(), threading.Event()

    def wait(_):
        began.set()
        go.wait(2)

    receiver.on_call = wait
    order()
    drain(only="nothing")
    busy = Pump()
    threads = [threading.Thread(target=busy.run) for _ in range(2)]
    threads[0].start()
    began.wait(5)
    order()
    drain(only="nothing")
    threads[1].start()
    for _ in range(3):
        busy.run()
    go.set()
    for each in threads:
        each.join()

    assert len(receiver.calls) == 2
    assert not busy.turn.locked()


def test_while_it_lingers_it_looks_for_itself(client, shop, receiver, order, drain):
    receiver.register(client, shop, events=["order.created"])
    lingering = Pump()
    lingering.linger = 60.0
    order()
    drain(only="nothing")
    thread = threading.Thread(target=lingering.run)
    thread.start()
    try:
        wait_for("the first", lambda: len(receiver.calls) == 1, seconds=10)
        order()
        drain(only="nothing")  # nobody calls
        wait_for("the second", lambda: len(receiver.calls) == 2, seconds=10)
    finally:
        lingering.stop()
        thread.join(30)
    assert not thread.is_alive()


def test_stopped_it_ends_what_it_has_begun_and_gives_the_rest_back(
    client, shop, receiver, order, drain, advance, sql
):
    receiver.register(client, shop, events=["order.created"])
    stopping = Pump()
    receiver.on_call = lambda _: stopping.stop()
    for _ in range(SEVERAL):
        order()
    drain(only="nothing")
    stopping.run()

    begun = len(receiver.calls)
    assert 1 <= begun < SEVERAL
    assert sql("SELECT count(*) FROM callback_deliveries WHERE status = 'delivered'") == begun
    free = "status = 'pending' AND leased_until IS NULL AND attempts = 0"
    assert sql(f"SELECT count(*) FROM callback_deliveries WHERE {free}") == SEVERAL - begun
    receiver.on_call = lambda _: None
    advance(20)  # who finds the lane alone
    drain()
    assert len({headers["webhook-id"] for headers, _ in receiver.calls}) == SEVERAL
    assert len(receiver.calls) == SEVERAL


def test_killed_in_the_middle_it_loses_nothing(client, shop, receiver, order, drain, advance):
    """What was under way is sent again, under the same id, and no more than that."""
    receiver.register(client, shop, events=["order.created"])
    for _ in range(60):
        order()
    drain(only="nothing")
    enough = threading.Event()

    def slow(_):
        if len(receiver.calls) >= 20:
            enough.set()
        time.sleep(0.05)

    receiver.on_call = slow
    code = "from workers.callbacks import pump; pump.run()"
    process = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ))
    assert enough.wait(30)
    process.kill()
    process.wait()
    receiver.on_call = lambda _: None
    for _ in range(3):
        advance(61)
        drain()

    seen = Counter(headers["webhook-id"] for headers, _ in receiver.calls)
    assert len(seen) == 60
    # As many as may be under way to one endpoint, and as many that wait to be written down.
    assert sum(seen.values()) - 60 <= 2 * 20
    assert max(seen.values()) <= 2


def test_one_that_cannot_be_made_keeps_nobody_from_being_told(
    client, shop, receiver, other, order, drain, sql
):
    broken = other.register(client, shop, events=["order.created"])
    sql(
        "UPDATE callback_endpoints SET sealed_secret = 'AAAA' || sealed_secret WHERE id = :id",
        id=broken["id"],
    )
    receiver.register(client, shop, events=["order.created"])
    order()
    drain(only="callbacks.")

    assert (len(receiver.calls), len(other.calls)) == (1, 0)
    assert not pump.turn.locked()


def test_connections_are_kept(client, shop, receiver, order, drain):
    receiver.register(client, shop, events=["order.created"])
    ports = []
    receiver.on_call = lambda handler: ports.append(handler.client_address[1])
    for _ in range(3):
        order()
        drain()

    assert len(ports) == 3
    assert len(set(ports)) == 1
