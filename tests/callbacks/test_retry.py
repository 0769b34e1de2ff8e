"""A person's retry of a delivery: at once through an open circuit, never past a pause."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests_support import check_problem

from gateway.callbacks.models import Endpoint
from gateway.dev.walk import wait_for
from gateway.kernel.db import lock, now, transaction


@pytest.fixture
def delivery(client, shop, receiver, drain):
    """One that was delivered."""
    receiver.register(client, shop, events=["order.created"])
    client.post("/api/v1/orders", json={"currency": "EUR", "amount": 5}, headers=shop.headers)
    drain()
    return client.get("/api/v1/webhook-deliveries", headers=shop.headers).json["data"][0]


@pytest.fixture
def retry(client, shop, delivery):
    path = f"/api/v1/webhook-deliveries/{delivery['id']}/retry"
    return lambda: client.post(path, headers=shop.headers)


@pytest.fixture
def open_circuit(delivery):
    """Open it until so many seconds from now; how long it then stays open is what it returns."""

    def set_to(seconds):
        with transaction(actor="test:engine") as tx:
            lock(tx, Endpoint, delivery["endpoint_id"]).open_until = now(tx) + timedelta(
                seconds=seconds
            )

    return set_to


@pytest.mark.parametrize(("seconds", "left"), [(600, 0), (-600, -600)])
def test_an_open_circuit_becomes_half_open(sql, retry, open_circuit, seconds, left):
    open_circuit(seconds)
    assert retry().status_code == 202

    after = sql(
        "SELECT extract(epoch FROM e.open_until - d.due_at)"
        " FROM callback_endpoints e JOIN callback_deliveries d ON d.endpoint_id = e.id"
    )
    assert left - 5 < after <= left


def test_a_closed_circuit_stays_closed(sql, retry):
    assert retry().status_code == 202
    assert sql("SELECT open_until FROM callback_endpoints") is None


def test_a_pause_is_not_passed_by(client, shop, delivery, retry, sql):
    path = f"/api/v1/webhook-endpoints/{delivery['endpoint_id']}"
    client.post(f"{path}/disable", headers=shop.headers)

    refused = check_problem(retry(), 409, "endpoint_disabled")

    assert f"POST {path}/enable" in refused["detail"]
    assert sql("SELECT status FROM callback_deliveries") == "delivered"
    client.post(f"{path}/enable", headers=shop.headers)
    assert retry().status_code == 202


def test_the_endpoint_is_locked_before_its_delivery(delivery, retry, sql):
    """As everybody does who works on a lane, so that no two wait for each other."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    free = text("SELECT id FROM callback_deliveries FOR UPDATE SKIP LOCKED")

    with ThreadPoolExecutor(1) as pool:
        with transaction(actor="test:engine") as tx:
            lock(tx, Endpoint, delivery["endpoint_id"])
            second = pool.submit(retry)
            wait_for("the retry to wait", lambda: tx.scalar(waiting), seconds=10)
            assert tx.scalar(free) == delivery["id"]
        assert second.result().status_code == 202
