"""Processes die while payments are in flight; everything ends as Stripe says, charged once."""

import threading
import time

import pytest

from gateway.dev.walk import wait_for

pytestmark = pytest.mark.journey

PAYMENTS = 200
VICTIMS = (
    "worker-stripe",
    "relay",
    "worker-callbacks",
    "beat",
    "web",
    "worker-clock",
    "redis",
    "postgres",
)


def test_two_hundred_payments_survive_the_death_of_every_process(stack):
    done = threading.Event()
    ids = []

    def vandal():
        for victim in VICTIMS:
            stack.kill(victim)
            time.sleep(1.5)
            stack.flush_redis_if_up()
        done.set()

    def buy(number):
        body = {"order_id": f"chaos-{number}", "amount": 1000 + number, "currency": "EUR"}
        answer = stack.patiently("POST", "payments", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["id"]

    def shop(number):
        payment_id = buy(number)
        payment = stack.until_any(payment_id, ("requires_action", "succeeded"), seconds=150)
        if payment["status"] == "requires_action":
            stack.pay(payment["checkout_url"])
        return payment_id

    thread = threading.Thread(target=vandal)
    thread.start()
    ids = stack.many(shop, range(PAYMENTS))
    thread.join()
    assert done.is_set()

    for payment_id in ids:
        stack.until(payment_id, "succeeded", seconds=150)
    charges = stack.charges()
    assert {charges[payment_id] for payment_id in ids} == {1}
    wait_for("every callback", lambda: undelivered(stack) == 0, seconds=150)
    wait_for("/readyz", stack.well, seconds=30)


def undelivered(stack):
    """Deliveries of this gateway that have not reached the store."""
    pending = stack.call("GET", "webhook-deliveries", params={"status": "pending"}).json()
    exhausted = stack.call("GET", "webhook-deliveries", params={"status": "exhausted"}).json()
    assert exhausted["data"] == []
    return len(pending["data"])


def test_an_outage_of_stripe_delays_shows_and_fails_nothing(stack):
    sandbox = stack.supervisor.pid("sandbox")
    stack.pause(sandbox)
    try:
        ids = []
        for number in range(5):
            body = {"order_id": f"outage-{number}", "amount": 900, "currency": "EUR"}
            answer = stack.call("POST", "payments", json=body)
            assert answer.status_code == 201
            ids.append(answer.json()["id"])
        wait_for("the outage to show", lambda: stack.stripe_check()["ok"] is False, seconds=60)
        assert {stack.read(payment_id)["status"] for payment_id in ids} == {"pending"}
    finally:
        stack.resume(sandbox)

    for payment_id in ids:
        payment = stack.until(payment_id, "requires_action", seconds=90)
        assert payment["certainty"] == "confirmed"
    wait_for("the end of the outage to show", stack.well, seconds=60)
    assert all(stack.charges()[payment_id] == 0 for payment_id in ids)
