"""Looking after a running gateway: what the commands show, and what they say when nothing runs."""

import json
import os
import socket
import threading
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner
from tests_support import forget

from gateway import cli
from gateway.cli import following, main_group, merchants, operations, processes  # noqa: F401 - for commands
from gateway.kernel.db import transaction
from gateway.kernel.heartbeats import Pulse, beat
from gateway.migrations import head


def typed(*words):
    return CliRunner().invoke(main_group, words)


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.fixture
def payment(client, shop, stripe):
    body = {"order_id": "cart-1", "amount": 1999, "currency": "EUR"}
    return client.post("/api/v1/payments", json=body, headers=shop.headers).json


def test_reconciling_shows_how_it_went(payment, drain, monkeypatch):
    drain()
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    done = threading.Event()

    def keep_working():
        while not done.wait(0.1):
            drain()

    worker = in_thread(keep_working)
    try:
        result = typed("reconcile", "--timeout", "30", "--json")
    finally:
        done.set()
        worker.join()

    told = json.loads(result.stdout)
    assert (result.exit_code, told["status"]) == (0, "succeeded")
    assert (told["checked"], told["total"]) == (1, 1)


def test_reconciling_without_workers_names_what_is_missing(database):
    with transaction(actor="test:heartbeat") as tx:
        beat(tx, Pulse("relay:here", "relay"))
        beat(tx, Pulse("broker", "broker"))

    result = typed("reconcile", "--timeout", "0")

    assert result.exit_code == 1
    assert "a worker for the queue clock, a worker for the queue stripe" in result.stdout
    assert "The run goes on once they do." in result.stdout


def test_reconciling_with_everything_running_says_that_stripe_is_slow(database):
    with transaction(actor="test:heartbeat") as tx:
        for pulse in (Pulse("relay:here", "relay"), Pulse("broker", "broker")):
            beat(tx, pulse)
        for queue in ("clock", "stripe"):
            beat(tx, Pulse(f"here:{queue}", "worker", queue=queue, slots=1))

    assert "not at its end yet" in typed("reconcile", "--timeout", "0").stdout


def test_nothing_to_look_at_is_said(database):
    assert typed("attention").stdout == "Nothing needs attention.\n"
    assert json.loads(typed("attention", "--json").stdout) == {"data": []}


def test_what_needs_attention_is_listed_with_the_reason(payment, sql):
    sql("UPDATE payments SET needs_attention = 'Stripe denies our key.'")

    result = typed("attention")
    assert f"{payment['id']}  Stripe denies our key.  next try: 20" in result.stdout
    (row,) = json.loads(typed("attention", "--json").stdout)["data"]
    assert (row["kind"], row["id"]) == ("payment", payment["id"])


def test_what_somebody_has_seen_to_is_shown_no_more(payment, sql):
    sql("UPDATE payments SET needs_attention = 'It was refunded by hand.', due_at = NULL")
    result = typed("attention", "--settled", payment["id"])

    assert (result.exit_code, result.stdout) == (0, "Nothing needs attention.\n")


def test_what_goes_on_by_itself_is_not_settled_by_saying_so(payment, sql):
    sql("UPDATE payments SET needs_attention = 'Stripe denies our key.'")
    for settled, why in ((payment["id"], "not at an end"), ("pay_none", "pay_none")):
        result = typed("attention", "--settled", settled)
        assert result.exit_code == 1
        assert why in result.stderr
    assert "denies our key" in typed("attention").stdout


@pytest.fixture
def reviewed(payment, drain, stripe, sql, client, shop):
    """A payment of which Stripe reports another amount."""
    drain()
    session = stripe.sessions(payment["id"])[0]["id"]
    stripe.lever("POST", f"sessions/{session}/complete", amount=2500, currency="eur")
    sql("UPDATE payments SET due_at = gateway_now()")
    drain()
    return payment["id"]


def test_payments_under_review_are_listed_and_decided_on(reviewed, drain, sql):
    listed = typed("review")
    assert f"{reviewed}  1999 EUR" in listed.stdout
    assert "2500" in listed.stdout
    (row,) = json.loads(typed("review", "--json").stdout)["data"]
    assert (row["id"], row["reported"]["amount"], row["decision"]) == (reviewed, 2500, None)
    decided = json.loads(typed("review", reviewed, "accept", "--json").stdout)
    assert (decided["status"], decided["decision"]) == ("review", "accept")
    assert "accept" in typed("review").stdout
    drain()

    assert sql("SELECT status FROM payments") == "succeeded"
    assert typed("review").stdout == "No payment is under review.\n"


def test_a_review_cannot_be_misunderstood(payment, reviewed):
    assert "accept or refund" in typed("review", reviewed).stderr
    assert typed("review", reviewed, "ignore").exit_code == 2
    assert "There is no payment 'pay_none'" in str(typed("review", "pay_none", "refund").exception)


@pytest.mark.parametrize(
    ("move", "seconds"), [("+90s", 90), ("15m", 900), ("+2h", 7200), ("+3d", 259200), ("7", 7)]
)
def test_the_clock_moves_forward(database, move, seconds):
    before = json.loads(typed("clock", "--json").stdout)

    moved = json.loads(typed("clock", move, "--json").stdout)

    assert (before["offset_seconds"], moved["offset_seconds"]) == (0, seconds)
    forward = datetime.fromisoformat(moved["now"]) - datetime.fromisoformat(before["now"])
    assert timedelta(seconds=seconds) <= forward < timedelta(seconds=seconds + 10)


def test_moves_of_the_clock_add_up(database):
    typed("clock", "+1h")

    for words in (("clock", "+1m", "--json"), ("clock", "--json")):
        assert json.loads(typed(*words).stdout)["offset_seconds"] == 3660


@pytest.mark.parametrize("move", ["-3d", "tomorrow", "+", "+1y", "+1.5h", "+99999999999s"])
def test_the_clock_goes_no_other_way(database, sql, move):
    result = typed("clock", move)

    assert result.exit_code == 2
    assert "it only goes forward" in result.output
    assert sql("SELECT offset_seconds FROM clock") == 0


@pytest.mark.parametrize(
    "words",
    [
        ("clock", "+999999999d"),
        ("reconcile", "--timeout", "-5"),
        ("merchants", "create", "  "),
        ("merchants", "create", "x" * 201),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(database, sql, words):
    result = typed(*words)

    assert (result.exit_code, "Error: Invalid value" in result.output) == (2, True)
    assert sql("SELECT offset_seconds FROM clock") == 0
    assert sql("SELECT count(*) FROM merchants") == sql("SELECT count(*) FROM runs") == 0


def test_a_command_talks_to_the_demo_that_runs_here(tmp_path, monkeypatch):
    settings = tmp_path / "demo.env"
    settings.write_text("# of a demo\nDATABASE_URL=postgresql://demo@/gateway\nGATEWAY_ENV=demo\n")
    monkeypatch.setattr(cli, "DEMO_ENV", settings)
    monkeypatch.setattr(cli, "demo_runs", lambda: True)
    monkeypatch.setenv("GATEWAY_ENV", "test")

    cli.read_demo_env()  # a gateway is named already
    assert os.environ["DATABASE_URL"] != "postgresql://demo@/gateway"
    monkeypatch.delenv("DATABASE_URL")
    cli.read_demo_env()

    assert os.environ["DATABASE_URL"] == "postgresql://demo@/gateway"
    assert os.environ["GATEWAY_ENV"] == "test"


def test_migrating_needs_both_roles_and_two_of_them(database, servers, monkeypatch):
    monkeypatch.delenv("GATEWAY_MIGRATION_URL", raising=False)
    assert "Set GATEWAY_MIGRATION_URL" in typed("migrate").output

    monkeypatch.setenv("GATEWAY_MIGRATION_URL", database)
    assert "two different roles" in str(typed("migrate").exception)

    owner = servers.postgres.url("gateway_owner", database.rpartition("/")[2].partition("?")[0])
    monkeypatch.setenv("GATEWAY_MIGRATION_URL", owner)
    again = json.loads(typed("migrate", "--json").stdout)
    assert again == {"version": head(), "application_role": "gateway_app"}


def test_the_clock_of_production_is_shown_and_stands(database, monkeypatch):
    monkeypatch.setenv("GATEWAY_ENV", "production")
    for name in ("GATEWAY_BASE_URL", "STRIPE_API_BASE"):
        monkeypatch.setenv(name, "https://pay.example")
    monkeypatch.delenv("WEBHOOK_RETRY_INTERVALS_TEST")
    forget()

    result = typed("clock", "+1d")

    assert (result.exit_code, "cannot be moved" in result.output) == (1, True)
    assert json.loads(typed("clock", "--json").stdout)["offset_seconds"] == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["relay"], 0),
        (["worker", "stripe"], 0),
        (["worker", "clock"], 1),
        (["worker"], 2),
        (["relay", "stripe"], 2),
    ],
)
def test_who_is_alive_on_this_host_is_told_by_the_exit_status(database, words, code):
    with transaction(actor="test:beat") as tx:
        here = socket.gethostname()
        beat(tx, Pulse(f"relay:{here}:1", "relay"))
        beat(tx, Pulse(f"{here}:2:stripe", "worker", queue="stripe", slots=8))
        beat(tx, Pulse("elsewhere:3:clock", "worker", queue="clock", slots=1))

    assert typed("alive", *words).exit_code == code
