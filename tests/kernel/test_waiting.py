"""`Prefer: wait=N` on a payment: the answer comes with the change, or when the wish is over."""

import threading
import time

import pytest

from gateway.app import create_app
from gateway.kernel import waiting


@pytest.fixture
def payment(client, shop):
    body = {"order_id": "order-1", "amount": 1999, "currency": "EUR"}
    return client.post("/api/v1/payments", json=body, headers=shop.headers).json["id"]


def read(shop, payment_id, prefer):
    began = time.monotonic()
    answer = (
        create_app()
        .test_client()
        .get(f"/api/v1/payments/{payment_id}", headers=shop.headers | {"Prefer": prefer})
    )
    return answer, time.monotonic() - began


def test_the_answer_comes_with_the_change(payment, shop, stripe, drain):
    worker = threading.Timer(0.5, drain)
    worker.start()

    answer, seconds = read(shop, payment, "wait=15")
    worker.join()

    assert answer.json["status"] == "requires_action"
    assert 0.3 < seconds < 14


def test_without_a_change_it_comes_when_the_wish_is_over(payment, shop):
    answer, seconds = read(shop, payment, "respond-async, wait=1")

    assert answer.json["status"] == "pending"
    assert seconds >= 1


@pytest.mark.parametrize("prefer", ["", "wait", "wait=", "wait=x", "wait=-1", "await=5", "wait=0"])
def test_other_wishes_are_ignored(payment, shop, prefer):
    answer, seconds = read(shop, payment, prefer)

    assert (answer.status_code, "Retry-After" in answer.headers) == (200, False)
    assert seconds < 5


def test_when_nobody_else_may_wait_the_answer_comes_at_once(payment, shop, monkeypatch):
    monkeypatch.setattr(waiting, "_waiters", threading.BoundedSemaphore(1))
    with waiting._waiters:
        answer, seconds = read(shop, payment, "wait=10")

    assert (answer.status_code, answer.headers["Retry-After"]) == (200, "1")
    assert seconds < 9


def test_a_wish_has_a_longest_time(client):
    with client.application.test_request_context(headers={"Prefer": "wait=9999"}):
        assert waiting.wished_seconds() == waiting.LONGEST_SECONDS
