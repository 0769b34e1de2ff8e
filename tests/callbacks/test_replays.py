"""Replays: which events go out once more, in which steps, and what stands in the way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from replaying import History, moment
from tests_support import check_problem

from gateway.callbacks import replays
from gateway.kernel import runs
from gateway.kernel.db import now, transaction
from gateway.orders.models import Order
from workers.app import app


@pytest.fixture
def past(client, shop, sql, advance, drain):
    return History(client, shop, sql, advance, drain)


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(replays, "BATCH", 2)
    monkeypatch.setattr(replays, "WINDOW", 3)


def test_what_was_told_is_told_again_and_what_never_was_is_told(past):
    past.orders("never-1", "never-2")
    past.register()
    past.orders("taken", "given-up", "waiting")
    past.ended("delivered", "taken")
    past.ended("exhausted", "given-up")
    before = {row[4]: row[3] for row in past.rows() if row[3]}
    assert not past.endpoint_due()
    found = past.replay()

    assert past.lane() == ["never-1", "never-2", "taken", "given-up"]
    assert (found["status"], found["deliveries"], found["error"]) == ("succeeded", 4, None)
    assert found["done"] == found["total"] == 6, "five orders, and the endpoint itself"
    assert past.endpoint_due()
    after = {row[4]: row[3] for row in past.rows()}
    assert before.items() <= after.items(), "the same delivery, so the same webhook-id"
    assert past.rows()[4][1:3] == ("pending", False), "what waits for its next attempt goes on"


def test_only_what_was_given_up(past):
    past.orders("never")
    past.register()
    past.orders("taken", "given-up")
    past.ended("delivered", "taken")
    past.ended("exhausted", "given-up")

    assert past.replay(status="exhausted")["deliveries"] == 1
    assert past.lane() == ["given-up"]
    assert past.replay(status="delivered")["of_status"] == "delivered"
    assert past.lane() == ["taken", "given-up"]


def test_what_waits_for_its_time_waits_no_longer_unless_it_is_on_its_way(past, sql):
    past.register()
    past.orders("waits", "leased", "lease-over")
    for reference, lease in (("leased", "1 hour"), ("lease-over", "-1 hour")):
        sql(
            "UPDATE callback_deliveries d"
            " SET leased_until = gateway_now() + CAST(:lease AS interval)"
            " FROM events e WHERE e.id = d.event_id AND e.data->>'reference' = :reference",
            reference=reference,
            lease=lease,
        )

    assert past.replay(status="pending")["deliveries"] == 2
    assert past.lane() == ["waits", "lease-over"]
    assert past.replay(status="pending")["deliveries"] == 0, "they are in the lane already"


def test_the_first_moment_is_in_and_the_last_is_out(past):
    past.orders("before", "first", "amid", "last")
    past.register()
    past.replay(since=past.at("first"), until=past.at("last"))

    assert past.lane() == ["first", "amid"]


def test_another_offset_is_the_same_moment(past):
    past.orders("before", "first")
    past.register()
    since = moment(past.at("first")) + timedelta(hours=5, minutes=30)
    found = past.replay(since=since.replace(tzinfo=None).isoformat() + "+05:30")

    assert past.lane() == ["first"]
    assert found["since"] == past.at("first")


def test_what_was_long_in_being_committed_is_found_by_its_time(past, shop, advance):
    """Its number is higher than that of an event which is younger."""
    advance(7200)
    with transaction(actor="test:slow") as tx:
        now(tx)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(past.orders, "quick", every=0).result()
        Order.start(
            tx,
            merchant_id=shop.merchant_id,
            livemode=False,
            reference="slow",
            currency="EUR",
            amount=1,
            items=[],
            meta={},
        )
    past.drain()
    past.register()
    assert [row[0] for row in past.rows()] == ["quick", "slow"]
    assert moment(past.at("slow")) < moment(past.at("quick"))

    past.replay(since=past.at("quick"))
    assert past.lane() == ["quick"]
    past.replay(since=past.at("slow"), until=past.at("quick"))
    assert past.lane() == ["quick", "slow"]


def test_it_goes_by_what_the_endpoint_wants_now(past, client, shop):
    past.register(events=["*"])
    past.orders("order")
    past.ended("delivered", "order")
    path = f"/api/v1/webhook-endpoints/{past.endpoint}"
    client.patch(path, json={"events": ["refund.failed"]}, headers=shop.headers)
    assert past.replay()["deliveries"] == 0

    client.patch(path, json={"events": ["order.created"]}, headers=shop.headers)
    assert past.replay()["deliveries"] == 1
    assert past.lane() == ["order"]


def test_a_dry_run_counts_what_would_go_out_and_changes_nothing(past, sql):
    past.orders("never")
    past.register()
    past.orders("taken", "given-up", "waiting")
    past.ended("delivered", "taken")
    past.ended("exhausted", "given-up")
    state = "SELECT json_agg(r ORDER BY r.id)::text FROM {} r"
    tables = ("callback_deliveries", "callback_endpoints", "runs", "events")
    before = [sql(state.format(table)) for table in tables]

    counted = past.ask(200, dry_run=True)
    assert (counted["id"], counted["status"], counted["created_at"]) == (None, None, None)
    assert (counted["total"], counted["done"], counted["deliveries"]) == (5, 5, 3)
    assert past.ask(200, dry_run=True, status="exhausted")["deliveries"] == 1
    assert [sql(state.format(table)) for table in tables] == before
    assert past.replay()["deliveries"] == 3


def test_of_very_many_events_a_dry_run_looks_at_the_first(past, monkeypatch, small_steps):
    monkeypatch.setattr("gateway.callbacks.replays.COUNTED", 4)
    past.orders(*(f"order-{n}" for n in range(6)))
    past.register()
    counted = past.ask(200, dry_run=True)

    assert (counted["total"], counted["done"], counted["deliveries"]) == (7, 4, 4)


def test_it_goes_in_steps_and_says_how_far_it_is(past, small_steps):
    """Two deliveries a step, of three events at most."""
    past.orders(*(f"order-{n}" for n in range(5)))
    past.register(events=["order.created"])
    past.ask(since=past.at("order-0"))
    seen = []
    while not seen or seen[-1][0] == "pending":
        found = past.step()
        seen.append((found["status"], found["done"], found["deliveries"]))

    assert seen == [("pending", 2, 2), ("pending", 4, 4), ("succeeded", 6, 5)]
    assert past.lane() == [f"order-{n}" for n in range(5)]


def test_there_is_one_at_a_time(past, client, shop):
    past.orders("order")
    past.register()
    first = past.ask()
    refused = check_problem(
        client.post(
            f"/api/v1/webhook-endpoints/{past.endpoint}/replay",
            json={"since": "2020-01-01T00:00:00Z", "dry_run": True},
            headers=shop.headers,
        ),
        409,
        "replay_running",
    )
    assert first["id"] in refused["detail"]
    assert past.ask(409)["code"] == "replay_running"
    past.step()
    assert past.ask()["id"] != first["id"]


def test_of_two_at_once_one_is_refused(past, client):
    past.orders("order")
    past.register()

    def ask(_):
        path = f"/api/v1/webhook-endpoints/{past.endpoint}/replay"
        own = client.application.test_client()
        body = {"since": "2020-01-01T00:00:00Z"}
        return own.post(path, json=body, headers=past.shop.headers).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == [202, 409, 409, 409]


def test_a_repeated_key_begins_no_second(past, sql):
    past.register()
    key = {"Idempotency-Key": "replay-1"}

    assert past.ask(headers=key) == past.ask(headers=key)
    assert sql("SELECT count(*) FROM runs") == 1


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_disabled_endpoint_has_none(past, client, shop, dry_run):
    past.register()
    path = f"/api/v1/webhook-endpoints/{past.endpoint}"
    client.post(f"{path}/disable", headers=shop.headers)

    refused = past.ask(409, dry_run=dry_run)
    assert (refused["code"], f"POST {path}/enable" in refused["detail"]) == (
        "endpoint_disabled",
        True,
    )


def test_it_ends_with_its_endpoint(past, client, shop, sql):
    past.orders("order")
    past.register()
    past.ask()
    path = f"/api/v1/webhook-endpoints/{past.endpoint}"
    client.delete(path, headers=shop.headers)
    past.drain(only="clock.")

    assert sql("SELECT status || ': ' || error FROM runs") == "failed: The endpoint was deleted."
    assert past.lane() == []
    assert client.get(f"{path}/replays", headers=shop.headers).status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"since": "2026-01-31T09:30:00"}, "since"),
        ({"since": "2h"}, "since"),
        ({"since": "2026-02-30T09:30:00Z"}, "since"),
        ({"since": "2020-01-02T00:00:00Z", "until": "2020-01-02T00:00:00Z"}, "since"),
        ({"since": "2999-01-01T00:00:00Z"}, "since"),
        ({"since": "2020-01-01T00:00:00Z", "until": None}, "until"),
        ({"since": "2020-01-01T00:00:00Z", "status": "lost"}, "status"),
        ({"since": "2020-01-01T00:00:00Z", "dry_run": "true"}, "dry_run"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(past, sql, body, param):
    past.register()
    refused = past.ask(422, **body)

    assert [error["param"] for error in refused["errors"]] == [param]
    assert sql("SELECT count(*) FROM runs") == 0


def test_replays_are_listed_newest_first_and_are_nobody_elses(past, client, shop, new_shop):
    past.register()
    ids = [past.replay()["id"] for _ in range(3)]
    path = f"/api/v1/webhook-endpoints/{past.endpoint}/replays"
    listed = client.get(f"{path}?limit=2", headers=shop.headers).json

    assert [each["id"] for each in listed["data"]] == ids[:0:-1]
    assert listed["has_more"]
    one = client.get(f"{path}/{ids[0]}", headers=shop.headers)
    assert (one.status_code, one.json["id"]) == (200, ids[0])
    other = past.register()
    for stranger in (new_shop("Other"), new_shop("Live", livemode=True)):
        assert client.get(path, headers=stranger.headers).status_code == 404
        assert client.get(f"{path}/{ids[0]}", headers=stranger.headers).status_code == 404
        assert (
            past.client.post(
                path[:-1], json={"since": "2020-01-01T00:00:00Z"}, headers=stranger.headers
            ).status_code
            == 404
        )
    answer = client.get(f"/api/v1/webhook-endpoints/{other}/replays/{ids[0]}", headers=shop.headers)
    check_problem(answer, 404, "not_found")


def test_another_run_is_no_replay(past, client, shop):
    past.register()
    with transaction(actor="test:run") as tx:
        run = runs.start(tx, "prune", subject_id=past.endpoint)
    path = f"/api/v1/webhook-endpoints/{past.endpoint}/replays"

    assert client.get(path, headers=shop.headers).json["data"] == []
    check_problem(client.get(f"{path}/{run.id}", headers=shop.headers), 404, "not_found")
    past.ask()


def test_the_calendar_starts_no_replay(database, sql, caplog):
    app.tasks["clock.start"]("replay")

    assert "known: reconcile, balance, check, prune" in caplog.text
    assert "known: reconcile, balance, check, prune, replay" not in caplog.text
    assert sql("SELECT count(*) FROM runs") == 0
