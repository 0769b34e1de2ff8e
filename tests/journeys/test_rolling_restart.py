"""Every process is replaced, twenty times in all, while shoppers come: nobody who pays can tell."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
import requests

from gateway.dev.stack import processes
from gateway.dev.walk import wait_for

pytestmark = pytest.mark.journey

ROUND = (
    "web",
    "relay",
    "worker-stripe",
    "web-2",
    "worker-callbacks",
    "web",
    "beat",
    "relay",
    "web-2",
    "worker-clock",
)
ROUNDS = 2
STOP_SECONDS = 30
CLIENTS, PAUSE_SECONDS = 3, 0.8


class Client(threading.Thread):
    """A merchant's server: one payment after the other, each until there is an answer."""

    def __init__(self, stack, number, over):
        super().__init__()
        self.stack, self.number, self.over = stack, number, over
        self.accepted = []
        self.answers = []
        self.unanswered = 0

    def run(self):
        count = 0
        while not self.over.is_set():
            count += 1
            self.accepted.append(self.buy(f"rolling-{self.number}-{count}"))
            time.sleep(PAUSE_SECONDS)

    def buy(self, name):
        body = {"order_id": name, "amount": 2500, "currency": "EUR"}
        while True:
            try:
                answer = self.stack.call(
                    "POST", "payments", json=body, headers={"Idempotency-Key": name}
                )
            except requests.ConnectionError:
                self.unanswered += 1
                time.sleep(0.1)
                continue
            self.answers.append((answer.status_code, answer.headers.get("Retry-After")))
            if answer.status_code != 503:
                return answer.json().get("id")
            time.sleep(0.2)


class Roller:
    """TERMs processes that are up, and sees them end and come back."""

    def __init__(self, stack):
        self.stack = stack
        self.ends = []  # (name, exit, seconds)

    def roll(self, name):
        wait_for(f"{name} to be up", lambda: self.is_up(name), seconds=60)
        pid, told = self.stack.supervisor.pid(name), len(self.stack.told)
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)

        def ended():
            news = self.stack.told[told:]
            return [text for who, text in news if who == name and text.startswith("died")]

        [text] = wait_for(f"{name} to end", ended, seconds=STOP_SECONDS)
        self.ends.append((name, text, round(time.monotonic() - began, 2)))

    def is_up(self, name):
        """It listens, or was heard of; whoever is TERMed before has no hand to catch it."""
        if name.startswith("web"):
            return listeners(self.stack.ports.web) == 2
        return name == "beat" or self.heard_of(self.stack.supervisor.pid(name))

    def heard_of(self, pid):
        connection = psycopg2.connect(self.stack.env["DATABASE_URL"])
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM heartbeats WHERE name ~ %s", [rf":{pid}\M"])
                return cursor.fetchone()
        finally:
            connection.close()


def listeners(port):
    """Sockets that listen on a port of this machine (state 0A)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets two servers share a port")
def test_twenty_restarts_under_load_lose_nothing(stack, tmp_path):
    [web] = [each for each in processes(stack.ports, stack.env, var=tmp_path) if each.name == "web"]
    stack.supervisor.add(replace(web, name="web-2"))
    over, roller = threading.Event(), Roller(stack)
    clients = [Client(stack, number, over) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        for name in ROUND * ROUNDS:
            roller.roll(name)
    finally:
        over.set()
        for client in clients:
            client.join(60)

    assert len(roller.ends) == 20
    assert {text for _, text, _ in roller.ends} == {"died (exit 0), restarting"}, roller.ends
    answers = [answer for client in clients for answer in client.answers]
    assert [answer for answer in answers if not fair(*answer)] == []
    # One web process serves while the other restarts: at most a connection that was being made.
    assert sum(client.unanswered for client in clients) <= ROUND.count("web") * ROUNDS * 2

    accepted = [payment_id for client in clients for payment_id in client.accepted]
    assert len(set(accepted)) == len(accepted) > 20 * CLIENTS
    stack.many(lambda payment_id: check(stack, payment_id), accepted[::10])
    opened = stack.many(lambda payment_id: there(stack, payment_id), accepted)
    assert {payment["status"] for payment in opened} == {"requires_action", "succeeded"}
    assert {stack.charges()[payment_id] for payment_id in accepted[::10]} == {1}
    wait_for("/readyz", stack.well, seconds=60)


def fair(status, retry_after):
    return status in (200, 201) or (status == 503 and retry_after is not None)


def there(stack, payment_id):
    return stack.until_any(payment_id, ("requires_action", "succeeded"), seconds=60)


def check(stack, payment_id):
    """A shopper pays for it."""
    stack.pay(there(stack, payment_id)["checkout_url"])
    stack.until(payment_id, "succeeded", seconds=60)
