"""`gateway replay`: what is typed, what is shown, and that it goes on when nobody watches."""

import json
import re
import threading

import pytest
from click.testing import CliRunner
from replaying import History

from gateway.cli import callbacks, following, main_group  # noqa: F401 - for commands
from gateway.kernel.db import transaction
from gateway.kernel.heartbeats import Pulse, beat


def typed(*words):
    return CliRunner().invoke(main_group, ("replay", *words))


@pytest.fixture
def past(client, shop, sql, advance, drain, monkeypatch):
    """Two orders of which the endpoint never heard, the second some minutes ago."""
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    made = History(client, shop, sql, advance, drain)
    made.orders("long-ago", every=0)
    made.orders("lately", every=7200)
    advance(600)
    made.register()
    return made


@pytest.fixture
def workers(past):
    """They work while somebody watches."""
    done = threading.Event()

    def keep_working():
        while not done.wait(0.05):
            past.drain(only="clock.")

    thread = threading.Thread(target=keep_working)
    thread.start()
    yield
    done.set()
    thread.join()


def test_it_is_followed_to_its_end(past, workers):
    result = typed(past.endpoint, "--since", "1h", "--json")

    told = json.loads(result.stdout)
    assert (result.exit_code, told["status"], told["deliveries"]) == (0, "succeeded", 1)
    assert told["looked_at"] == told["total"] > 0
    assert past.lane() == ["lately"]


def test_times_may_be_written_out(past, workers):
    times = ("--since", past.at("long-ago"), "--until", past.at("lately"))
    result = typed(past.endpoint, *times)

    assert result.exit_code == 0, result.output
    assert re.search(r"status +succeeded", result.stdout)
    assert past.lane() == ["long-ago"]


def test_a_status_chooses(past, workers):
    result = typed(past.endpoint, "--since", "1d", "--status", "exhausted", "--json")

    assert json.loads(result.stdout)["deliveries"] == 0
    assert past.lane() == []


def test_counting_begins_nothing(past, sql):
    result = typed(past.endpoint, "--since", "1d", "--until", "1h", "--dry-run", "--json")

    told = json.loads(result.stdout)
    assert (result.exit_code, told["replay"], told["deliveries"]) == (0, None, 1)
    assert sql("SELECT count(*) FROM runs") == 0


def test_without_workers_it_says_what_is_missing(past, sql):
    with transaction(actor="test:heartbeat") as tx:
        beat(tx, Pulse("relay:here", "relay"))
        beat(tx, Pulse("broker", "broker"))
    sql("DELETE FROM heartbeats WHERE kind = 'worker'")
    result = typed(past.endpoint, "--since", "1d", "--timeout", "0", "--json")

    told = json.loads(result.stdout)
    assert (result.exit_code, told["status"]) == (1, "pending")
    assert told["error"] == (
        "Not running: a worker for the queue clock. The run goes on once they do."
    )


def test_whoever_stops_watching_is_told_that_it_goes_on(past, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(following.time, "sleep", interrupted)
    result = typed(past.endpoint, "--since", "1d")
    monkeypatch.undo()

    assert result.exit_code == 130
    assert re.search(r"run_\w+ goes on by itself", result.stderr)
    assert past.step()["status"] == "succeeded"
    assert past.lane() == ["long-ago", "lately"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--since", "2 hours"), "must look like"),
        (("--since", "2026-01-31T09:30:00"), "must look like"),
        (("--since", "2h", "--until", "2w"), "must look like"),
        (("--since", "2h", "--status", "lost"), "lost"),
        ((), "--since"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(database, words, why):
    result = typed("we_none", *words)

    assert (result.exit_code, why in result.stderr) == (2, True)


def test_what_the_service_refuses_is_said_as_it_says_it(past, client, shop):
    assert "There is no webhook endpoint 'we_none'" in str(
        typed("we_none", "--since", "2h").exception
    )
    past.ask()
    assert "is under way" in str(typed(past.endpoint, "--since", "2h").exception)
    past.step()
    path = f"/api/v1/webhook-endpoints/{past.endpoint}"
    client.post(f"{path}/disable", headers=shop.headers)
    assert "is disabled" in str(typed(past.endpoint, "--since", "2h").exception)
    client.delete(path, headers=shop.headers)
    assert "no webhook endpoint" in str(typed(past.endpoint, "--since", "2h").exception)
