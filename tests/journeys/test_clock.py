"""Days pass in seconds: what waits for its time does it when `gateway clock` has moved there.

How an endpoint climbs its ladder and is disabled is watched in tests/callbacks, by the same clock.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.dev.walk import wait_for

pytestmark = pytest.mark.journey


def typed(stack, *words):
    done = subprocess.run(
        [str(Path(sys.executable).parent / "gateway"), *words, "--json"],
        env=stack.env | {"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def bought(stack, reference, **headers):
    body = {"order_id": reference, "amount": 900, "currency": "EUR"}
    answer = stack.call("POST", "payments", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_pages_and_orders_end_and_keys_are_forgotten(stack):
    key = {"Idempotency-Key": "for-a-month"}
    payment = bought(stack, "clock-1", **key)
    stack.until(payment["id"], "requires_action")
    order = stack.call("POST", "orders", json={"amount": 500, "currency": "EUR"}).json()

    typed(stack, "clock", "+2h")
    ended = wait_for("the order", lambda: read(stack, order["id"], "cancelled"), seconds=30)
    assert ended["reason"] == "expired"
    typed(stack, "clock", "+23h")
    stack.until(payment["id"], "expired")

    other = {"order_id": "clock-2", "amount": 901, "currency": "EUR"}
    assert stack.call("POST", "payments", json=other, headers=key).status_code == 422
    typed(stack, "clock", "+31d")

    def forgotten():
        return stack.call("POST", "payments", json=other, headers=key).status_code == 201

    wait_for("the key to be pruned", forgotten, seconds=30)


def read(stack, order_id, status):
    order = stack.call("GET", f"orders/{order_id}").json()
    return order if order["status"] == status else None


def test_without_beat_nothing_is_later_than_fifteen_seconds(stack):
    beat = stack.supervisor.pid("beat")
    stack.pause(beat)
    try:
        before = stack.call("GET", "reconciliations", params={"limit": 1}).json()["data"][0]["id"]
        order = stack.call("POST", "orders", json={"amount": 500, "currency": "EUR"}).json()

        typed(stack, "clock", "+61m")

        def began():
            rows = stack.call("GET", "reconciliations", params={"limit": 1}).json()["data"]
            return rows[0]["id"] != before

        wait_for("the hour's reconciliation", began, seconds=15)
        wait_for("the order", lambda: read(stack, order["id"], "cancelled"), seconds=15)
    finally:
        stack.resume(beat)
