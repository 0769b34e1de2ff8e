"""What the documentation promises, call by call, in the processes that a demo starts."""

import json
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest
import redis

from celerybeat_schedule import SCHEDULE
from gateway.dev import walk
from gateway.dev.walk import wait_for

pytestmark = pytest.mark.journey

UPI = {
    "amount": 50000,
    "currency": "INR",
    "method": "upi",
    "order_id": "ord_test_001",
    "vpa": "test@upi",
}


def test_a_upi_payment_as_documented(stack):
    created = stack.call("POST", "payments", json=UPI)
    assert (created.status_code, created.json()["status"]) == (201, "pending")
    payment_id = created.json()["id"]
    opened = stack.until(payment_id, "requires_action")

    began = time.monotonic()
    stack.pay(opened["checkout_url"], vpa="test@upi")
    paid = stack.until(payment_id, "succeeded", seconds=5)

    assert time.monotonic() - began < 5
    assert paid["amount_captured"] == 50000
    again = stack.call("POST", "payments", json=UPI)
    assert (again.status_code, again.json()["code"]) == (409, "order_already_paid")
    told = wait_for(
        "the callback",
        lambda: stack.heard(payment_id=payment_id, type="payment.succeeded"),
        seconds=10,
    )
    assert told[0]["verified"] is True
    fulfilled = wait_for(
        "order.payment_done",
        lambda: stack.heard(order_id=paid["order_id"], type="order.payment_done"),
        seconds=10,
    )
    assert fulfilled[0]["body"]["data"]["reference"] == "ord_test_001"


@pytest.fixture
def silence(stack, monkeypatch):
    """No callback is sent for the length of a test, and nobody waits long for one."""
    monkeypatch.setattr(walk, "CALLBACK_SECONDS", 1.0)
    path = walk.Walk(stack.url, stack.store)
    worker = stack.supervisor.pid("worker-callbacks")
    wait_for("an empty queue", lambda: path.callbacks_due() == 0, seconds=30)
    stack.pause(worker)
    yield path
    stack.resume(worker)


def test_a_demo_without_callbacks_is_stuck_and_one_behind_others_says_so(stack, silence):
    with pytest.raises(walk.Stuck, match="the callback did not happen"):
        silence.pay()
    wait_for("a backlog", silence.callbacks_due, seconds=10)

    walked = silence.pay()

    assert (walked.status, walked.callback_verified) == ("succeeded", False)
    assert walked.behind >= 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "the-same"}])
def test_fifty_at_once_make_one_payment_and_one_session(stack, headers):
    body = {"order_id": f"rush-{len(headers)}", "amount": 1200, "currency": "EUR"}

    answers = stack.many(
        lambda _: stack.call("POST", "payments", json=body, headers=dict(headers)),
        range(50),
        at_once=50,
    )

    statuses = {answer.status_code for answer in answers}
    assert 201 in statuses
    assert statuses <= {200, 201, 409}
    ids = {answer.json()["id"] for answer in answers if answer.status_code in (200, 201)}
    assert len(ids) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "idempotency_key_in_use"
            assert answer.headers["Retry-After"] == "1"
    (payment_id,) = ids
    stack.until(payment_id, "requires_action")
    listed = stack.call("GET", "payments", params={"order_id": body["order_id"]}).json()["data"]
    assert [each["id"] for each in listed] == [payment_id]


def test_without_webhooks_the_reconcile_command_finishes_every_paid_payment(stack):
    stack.faults(drop_webhooks=1.0)
    try:
        ids = []
        for number in range(10):
            body = {"order_id": f"silent-{number}", "amount": 700, "currency": "EUR"}
            ids.append(stack.call("POST", "payments", json=body).json()["id"])
        for payment_id in ids:
            stack.pay(stack.until(payment_id, "requires_action")["checkout_url"])
        command = subprocess.run(
            [str(Path(sys.executable).parent / "gateway"), "reconcile", "--json"],
            env=stack.env | {"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        stack.faults()

    assert command.returncode == 0, command.stderr + command.stdout
    result = json.loads(command.stdout)
    assert result["status"] == "succeeded"
    named = {each["payment_id"] for each in result["items"] if each["status"] == "fixed"}
    assert set(ids) <= named
    assert {stack.read(payment_id)["status"] for payment_id in ids} == {"succeeded"}


def test_jobs_status_and_health_speak_of_the_living(stack):
    jobs = stack.call("GET", "test/jobs/status").json()
    assert jobs["worker_status"] == "running"
    assert set(jobs["queues"]) == {"stripe", "callbacks", "clock"}
    assert jobs["failed"] == 0
    assert {"pending", "processing", "completed"} <= set(jobs)


def test_beat_keeps_the_calendar_and_every_job_has_run_once(stack):
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        planned = {
            name.decode() for name in client.scan_iter("redbeat:*") if client.type(name) == b"hash"
        }
    assert {f"redbeat:{name}" for name in SCHEDULE} <= planned
    with psycopg2.connect(stack.env["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT job, status FROM runs")
        ended = {job for job, status in cursor.fetchall() if status == "succeeded"}
    connection.close()
    assert ended == {"reconcile", "balance", "check", "prune"}
