"""Endpoints that fail: a circuit that opens and closes, an end after days, days of outage."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from tests_support import forget

from gateway.callbacks import circuit
from gateway.callbacks.models import Endpoint
from gateway.callbacks.sender import Result
from gateway.kernel.db import lock, transaction
from gateway.settings import RETRY_INTERVALS
from workers import callbacks as tasks
from workers.callbacks import pump

NO, GONE = (500, {}, b""), (410, {}, b"")
SEVERAL = 15
OPENS_AT = circuit.FAILURES_TO_OPEN


@pytest.fixture
def slow_schedule(monkeypatch, database):
    """The schedule of production, in days."""
    monkeypatch.delenv("WEBHOOK_RETRY_INTERVALS_TEST")
    forget()


@pytest.fixture
def fares(sql):
    """A column of the only endpoint."""
    return lambda column: sql(f"SELECT {column} FROM callback_endpoints")


@pytest.fixture
def work(drain, sql):
    """What is due of callbacks, without the relay: for tests that go through days."""
    due = "SELECT count(*) FROM callback_{} WHERE due_at <= gateway_now()"
    ids = "SELECT json_agg(id) FROM callback_endpoints WHERE due_at <= gateway_now()"

    def run():
        while sql(due.format("deliveries")) or sql(due.format("endpoints")):
            for id in sql(ids) or []:
                tasks.tend(id)
            pump.run()

    drain(only="nothing")
    return run


def lane(sql):
    return sql(
        "SELECT count(*) FROM callback_deliveries WHERE status = 'pending' AND due_at IS NULL"
    )


def test_failures_in_a_row_open_the_circuit_and_the_rest_waits_uncounted(
    client, shop, receiver, order, drain, sql, fares, slow_schedule
):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers = [NO] * 100
    for _ in range(SEVERAL):
        order()
    drain(only="callbacks.")

    assert len(receiver.calls) == OPENS_AT
    assert fares("failures") == OPENS_AT
    assert lane(sql) == SEVERAL - OPENS_AT
    assert sql("SELECT count(*) FROM callback_deliveries WHERE attempted = 0") == lane(sql)
    assert fares("due_at = open_until")


def test_one_probe_at_a_time_and_its_success_lets_all_out(
    client, shop, receiver, order, drain, advance, sql, fares, slow_schedule
):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers = [NO] * 100
    for _ in range(SEVERAL):
        order()
    drain(only="callbacks.")
    for probes in (1, 2):
        advance(3)
        drain(only="callbacks.")
        assert len(receiver.calls) == OPENS_AT + probes
    receiver.answers.clear()
    advance(circuit.LONGEST_OPEN_SECONDS)
    drain(only="callbacks.")

    assert fares("open_until") is None
    assert (fares("failures"), fares("failing_since"), fares("last_error")) == (0, None, None)
    assert lane(sql) == 0
    advance(3600)
    drain()
    assert sql("SELECT count(*) FROM callback_deliveries WHERE status = 'delivered'") == SEVERAL


def test_success_in_between_keeps_it_closed(client, shop, receiver, order, drain, fares):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers = ([NO] * (OPENS_AT - 1) + [(200, {}, b"")]) * 3
    for _ in range(20):
        order()
    drain(only="callbacks.")

    assert len(receiver.calls) >= 20
    assert fares("open_until") is None


def test_too_many_requests_gives_the_whole_endpoint_a_rest(
    client, shop, receiver, order, drain, advance, sql, slow_schedule
):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers = [(429, {"Retry-After": "30"}, b"")]
    order()
    drain(only="callbacks.")
    order()
    drain(only="callbacks.")
    assert len(receiver.calls) == 1

    advance(31)
    drain(only="callbacks.")
    assert len(receiver.calls) == 3
    assert sql("SELECT count(*) FROM callback_deliveries WHERE status = 'delivered'") == 2


def test_gone_disables_at_once_and_what_is_owed_waits(
    client, shop, receiver, order, drain, advance, sql, fares, history
):
    made = receiver.register(client, shop, events=["order.created"])
    receiver.answers = [GONE]
    order()
    drain()
    order()
    for _ in range(5):
        advance(7200)
        drain()

    assert len(receiver.calls) == 1
    assert (fares("status"), fares("disabled_code")) == ("disabled", "gone")
    assert "410" in fares("disabled_message")
    assert history(made["id"]) == ["endpoint.created", "endpoint.disabled"]
    assert lane(sql) == 2
    assert fares("due_at") is None


@pytest.fixture
def fail_for_days(receiver, order, drain, advance, work, sql):
    """So many events each fail at least once, and five days later one of them fails again."""

    def fail(*, events):
        receiver.answers = [NO] * 10_000
        for _ in range(events):
            order()
        drain(only="callbacks.")
        sql("UPDATE callback_deliveries SET attempted = 1 WHERE attempted = 0")  # hours of probes
        advance(5 * 86400)
        work()

    return fail


def test_days_of_nothing_but_failures_disable_it_and_say_why(
    client, shop, receiver, fail_for_days, fares, slow_schedule, history, sql
):
    made = receiver.register(client, shop, events=["order.created"])
    fail_for_days(events=25)

    assert (fares("status"), fares("disabled_code")) == ("disabled", "failing")
    assert "HTTP 500" in fares("disabled_message")
    assert history(made["id"])[-1] == "endpoint.disabled"
    assert sql("SELECT count(*) FROM callback_deliveries WHERE status = 'pending'") == 25


def test_a_few_events_do_not_disable_it(
    client, shop, receiver, fail_for_days, fares, slow_schedule
):
    receiver.register(client, shop, events=["order.created"])
    fail_for_days(events=circuit.GIVE_UP_EVENTS - 1)

    assert fares("status") == "enabled"


def test_one_disabled_for_failing_is_tried_by_the_hour_and_comes_back_by_itself(
    client, shop, receiver, order, drain, advance, work, fail_for_days, fares, slow_schedule, sql
):
    receiver.register(client, shop, events=["order.created"])
    fail_for_days(events=25)
    late = order()
    drain(only="callbacks.")
    before = len(receiver.calls)
    for _ in range(20):
        advance(1200)
        work()
    assert 5 <= len(receiver.calls) - before <= 8  # in 20 thirds of an hour
    assert sql("SELECT count(*) FROM callback_deliveries WHERE status = 'pending'") == 26

    receiver.answers.clear()
    advance(3700)
    drain()
    assert (fares("status"), fares("disabled_code")) == ("enabled", None)
    assert late["id"] in [body["data"]["id"] for body in receiver.verified()]
    assert lane(sql) == 0


def test_a_deleted_endpoint_s_lane_comes_to_an_end(
    client, shop, receiver, order, drain, sql, slow_schedule
):
    made = receiver.register(client, shop, events=["order.created"])
    receiver.answers = [NO] * 100
    for _ in range(SEVERAL):
        order()
    drain(only="callbacks.")
    calls = len(receiver.calls)
    client.delete(f"/api/v1/webhook-endpoints/{made['id']}", headers=shop.headers)
    drain()

    assert lane(sql) == 0
    assert sql("SELECT count(*) FROM callback_deliveries WHERE due_at <= gateway_now()") == 0
    assert len(receiver.calls) == calls


def test_three_days_without_a_receiver_lose_nothing_and_keep_the_schedule(
    client, shop, receiver, order, drain, advance, work, sql, slow_schedule
):
    """Attempt by attempt by the moved clock, until it is up again: the last one finds it."""
    receiver.register(client, shop, events=["order.created"])
    receiver.answers = [NO] * 10_000
    for _ in range(2):
        order()
    drain()
    up_at = sql("SELECT gateway_now()") + timedelta(days=3)
    next_at = (
        "SELECT min(at) FROM (SELECT due_at AS at FROM callback_deliveries"
        " UNION ALL SELECT due_at FROM callback_endpoints) due"
    )
    while (at := sql(next_at)) and at < up_at:
        advance((at - sql("SELECT gateway_now()")).total_seconds() + 0.01)
        work()
    advance((up_at - sql("SELECT gateway_now()")).total_seconds())
    receiver.answers.clear()
    while at := sql(next_at):
        advance(max(0.0, (at - sql("SELECT gateway_now()")).total_seconds() + 0.01))
        work()

    assert sql("SELECT count(*) FROM callback_deliveries WHERE status = 'delivered'") == 2
    assert len({headers["webhook-id"] for headers, _ in receiver.calls}) == 2
    rows = sql(
        "SELECT json_agg(json_build_array(delivery_id, number, recorded_at) ORDER BY number)"
        " FROM callback_attempts"
    )
    attempts = {}
    for delivery_id, _, at in rows:
        attempts.setdefault(delivery_id, []).append(datetime.fromisoformat(at))
    for moments in attempts.values():
        for wait, (before, after) in zip(RETRY_INTERVALS[1:], pairwise(moments), strict=False):
            waited = (after - before).total_seconds()
            assert wait <= waited <= wait * 1.2 + 2 * circuit.LONGEST_OPEN_SECONDS
        assert len(moments) >= 9


@pytest.mark.parametrize(("found_server", "weight"), [(True, circuit.SLOW_WEIGHS), (False, 1)])
def test_a_name_that_does_not_resolve_in_time_is_not_held_against_the_server(
    client, shop, receiver, found_server, weight
):
    made = receiver.register(client, shop)
    late = Result(datetime.now(UTC), 5000, None, "No complete answer in time.", found_server)
    with transaction(actor="test:late") as tx:
        endpoint = lock(tx, Endpoint, made["id"])
        circuit.failed(tx, endpoint, late)

    assert endpoint.failures == weight
