"""What Prometheus reads: bounded labels, one look at the rows, and never an error."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text
from tests_support import forget

from gateway import health, metrics
from gateway.app import create_app
from gateway.kernel import db, runs
from gateway.kernel.heartbeats import Pulse, beat
from gateway.payments.models import PaymentStatus

from .support import ACTOR

TOKEN = "a-token-of-some-length"


@pytest.fixture(autouse=True)
def no_counts():
    metrics.REQUESTS.clear()


@pytest.fixture
def owner(servers, database):
    """A connection that may lock tables, of this test's database."""
    name = database.rpartition("/")[2].partition("?")[0]
    url = servers.postgres.url("gateway_owner", name).replace("://", "+psycopg2://", 1)
    powerful = create_engine(url)
    with powerful.connect() as connection:
        yield connection
    powerful.dispose()


def read(client, **headers):
    """Every sample of a scrape: (name, labels as sorted pairs) -> value."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.json
    assert answer.content_type.startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[name, tuple(sorted(labels.items()))]


def statuses(found, kind):
    rows = [dict(pairs) for name, pairs in found if name == "gateway_rows"]
    return {row["status"] for row in rows if row["kind"] == kind}


def requests_of(found):
    return {
        (labels["route"], labels["method"], labels["status"]): count
        for (name, pairs), count in found.items()
        if name == "gateway_request_seconds_count" and (labels := dict(pairs))
    }


def test_requests_are_counted_by_template_method_and_status(client, shop):
    client.get("/api/v1/payments/pay_one", headers=shop.headers)
    client.get("/api/v1/payments/pay_two", headers=shop.headers)
    client.get("/api/v1/payments")

    assert requests_of(read(client)) == {
        ("/api/v1/payments/<payment_id>", "GET", "404"): 2,
        ("/api/v1/payments", "GET", "401"): 1,
    }


def test_a_stranger_cannot_make_labels(client):
    for word in ("one", "two", "three"):
        client.get(f"/{word}")
        client.open("/healthz", method=word.upper())

    assert requests_of(read(client)) == {("none", "GET", "404"): 3, ("none", "other", "405"): 3}


def test_latency_is_a_histogram(client):
    client.get("/healthz")

    found = read(client)
    labels = {"route": "/healthz", "method": "GET", "status": "200"}
    assert value(found, "gateway_request_seconds_bucket", le="+Inf", **labels) == 1
    assert 0 < value(found, "gateway_request_seconds_sum", **labels) < 1


def test_the_rows_say_what_is_owed(client, shop, sql):
    for number in range(3):
        body = {"order_id": f"o-{number}", "amount": 1999, "currency": "EUR"}
        assert client.post("/api/v1/payments", json=body, headers=shop.headers).status_code == 201
    ids = sql("SELECT array_agg(id ORDER BY id) FROM payments")
    sql("UPDATE payments SET due_at = gateway_now() - interval '90 s' WHERE id = :id", id=ids[0])
    lease = "UPDATE payments SET lease = 1, leased_until = gateway_now() + interval '1 min'"
    sql(f"{lease} WHERE id = :id", id=ids[1])
    later = "UPDATE payments SET due_at = gateway_now() + interval '1 h', needs_attention = 'odd'"
    sql(f"{later} WHERE id = :id", id=ids[2])

    found = read(client)
    states = ("due", "leased", "scheduled")
    depth = [value(found, "gateway_queue_rows", queue="stripe", state=state) for state in states]
    assert depth == [1, 1, 1]
    assert 90 <= value(found, "gateway_queue_oldest_seconds", queue="stripe") < 120
    assert value(found, "gateway_queue_oldest_seconds", queue="callbacks") == 0
    assert value(found, "gateway_needs_attention", kind="payment") == 1
    assert value(found, "gateway_rows", kind="payment", status="pending") == 3
    assert value(found, "gateway_rows", kind="order", status="payment_in_progress") == 3
    assert value(found, "gateway_rows", kind="payment", status="succeeded") == 0
    assert value(found, "gateway_relay_lag_seconds") > 0
    assert value(found, "gateway_scrape_ok") == 1


def test_every_status_has_a_line_even_at_nought(client):
    found = read(client)

    for model, _ in metrics.COUNTED:
        born = {status for targets in model.TRANSITIONS.values() for status in targets}
        assert statuses(found, model.KIND) == born


def test_every_kind_of_row_that_can_be_owed_is_counted():
    kinds = {model.KIND for model, _ in metrics.COUNTED}

    assert {model.KIND for _, model in health.QUEUE_OF} <= kinds


def test_what_an_alert_rests_on_is_counted_whatever_the_size(client, monkeypatch):
    monkeypatch.setattr(metrics, "COUNTABLE_ROWS", -2)  # fewer than any estimate
    page = (Path(metrics.__file__).parents[1] / "docs/operations.md").read_text()
    rested_on = re.findall(r'gateway_rows\{kind="(\w+)",status="(\w+)"\}', page)

    found = read(client)

    assert rested_on
    for kind, status in rested_on:
        assert value(found, "gateway_rows", kind=kind, status=status) == 0
    assert statuses(found, "order") == set()


def test_the_history_of_a_large_table_is_left_uncounted(client, owner, monkeypatch):
    monkeypatch.setattr(metrics, "COUNTABLE_ROWS", 9)
    with db.transaction(actor=ACTOR) as tx:
        for _ in range(10):
            runs.start(tx, "reconcile")
    owner.execute(text("ANALYZE runs"))
    owner.commit()

    found = read(client)

    assert statuses(found, "run") == {"pending"}
    assert statuses(found, "payment") == set(PaymentStatus)
    assert value(found, "gateway_scrape_ok") == 1


def test_signs_of_life_are_told(client):
    found = read(client)
    assert value(found, "gateway_relays") == value(found, "gateway_broker_up") == 0

    with db.transaction(actor=ACTOR) as tx:
        for number in (1, 2):
            beat(tx, Pulse(f"h:{number}:stripe", "worker", queue="stripe", slots=8))
        beat(tx, Pulse("relay:h:3", "relay"))
        beat(tx, Pulse("broker", "broker"))

    found = read(client)
    assert value(found, "gateway_worker_slots", queue="stripe") == 16
    assert value(found, "gateway_worker_slots", queue="clock") == 0
    assert value(found, "gateway_relays") == value(found, "gateway_broker_up") == 1


def test_a_slow_count_leaves_the_rest_and_says_so(client, owner, monkeypatch):
    """Somebody else's migration holds a table for longer than a scrape waits."""
    monkeypatch.setattr(metrics, "STATEMENT_MS", 200)
    owner.execute(text("LOCK TABLE stripe_events IN ACCESS EXCLUSIVE MODE"))

    found = read(client)

    assert value(found, "gateway_scrape_ok") == 0
    assert value(found, "gateway_relays") == 0
    assert value(found, "gateway_rows", kind="payment", status="pending") == 0
    assert not [pairs for name, pairs in found if dict(pairs).get("kind") == "stripe_event"]


def test_without_a_database_the_counters_are_still_told(client, monkeypatch):
    client.get("/healthz")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    forget()

    found = read(client)

    assert value(found, "gateway_scrape_ok") == 0
    assert ("/healthz", "GET", "200") in requests_of(found)


# Who may read them.


@pytest.fixture
def production(database, monkeypatch):
    """A client of a gateway in production, with or without a token."""

    def start(token):
        for name, setting in (
            ("GATEWAY_ENV", "production"),
            ("GATEWAY_BASE_URL", "https://pay.example"),
            ("STRIPE_API_BASE", "https://api.stripe.com"),
            ("WEBHOOK_RETRY_INTERVALS_TEST", "false"),
            ("GATEWAY_METRICS_TOKEN", token),
        ):
            monkeypatch.setenv(name, setting)
        forget()
        return create_app().test_client()

    yield start
    monkeypatch.undo()
    forget()


def test_production_does_not_count_jobs_for_strangers(production):
    assert production("").get("/api/v1/test/jobs/status").status_code == 404


def test_production_without_a_token_has_no_metrics(production):
    assert production("").get("/metrics").status_code == 404


@pytest.mark.parametrize("sent", ["", "Bearer wrong", TOKEN, f"Bearer {TOKEN}x", "Bearer é"])
def test_a_token_keeps_others_out(production, sent):
    answer = production(TOKEN).get("/metrics", headers={"Authorization": sent})

    assert answer.status_code == 401
    assert TOKEN not in answer.text


def test_a_token_lets_its_bearer_in(production):
    found = read(production(TOKEN), Authorization=f"Bearer {TOKEN}")

    assert value(found, "gateway_scrape_ok") == 1


# Several processes.

COUNTING = """
from prometheus_client import generate_latest
from gateway import health, metrics
metrics.REQUESTS.labels("/healthz", "GET", "200").observe(0.1)
"""


def test_several_processes_are_added_up(database, tmp_path):
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNTING], env=env, check=True, timeout=30)
    scrape = (
        COUNTING + "from gateway.app import create_app\n"
        "print(create_app().test_client().get('/metrics').text)"
    )
    done = subprocess.run(
        [sys.executable, "-c", scrape], env=env, check=True, timeout=30, capture_output=True
    )

    told = done.stdout.decode()
    assert 'gateway_request_seconds_count{method="GET",route="/healthz",status="200"} 3.0' in told
    assert "gateway_scrape_ok 1.0" in told
    assert not [path.name for path in Path(tmp_path).iterdir() if path.name.startswith("gauge")]


def test_the_folder_of_the_counters_is_made_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv(metrics.FOLDER, str(tmp_path / "run" / "metrics"))

    metrics.init_app(Flask("counting"))

    assert (tmp_path / "run" / "metrics").is_dir()


# What must not be forgotten.


def test_every_kind_of_row_that_can_be_due_belongs_to_its_queue():
    from workers.relay import OWED

    assert set(health.QUEUE_OF) == {(owed.queue, owed.model) for owed in OWED}
