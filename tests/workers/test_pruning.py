"""Callbacks are kept for a time: what arrived goes, what did not stays, in batches that wait for
nobody.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from tests_support import forget

from gateway.callbacks.models import Delivery
from gateway.kernel import runs
from gateway.kernel.crashpoints import Crash, arm
from gateway.kernel.db import lock, transaction
from workers import pruning
from workers.app import app

DAY = 86400
MORE_ATTEMPTS = """
    INSERT INTO callback_attempts
        (delivery_id, number, started_at, duration_ms, response_headers, response_body)
    SELECT delivery_id, n, started_at, 1, '[]', '' FROM callback_attempts, generate_series(2, 5) n
    WHERE delivery_id = :id"""


class Told:
    """Orders that are told, and how that ends; pruning, some days later."""

    def __init__(self, client, shop, receiver, sql, drain, advance):
        self.client, self.shop, self.receiver = client, shop, receiver
        self.sql, self.drain, self.advance = sql, drain, advance

    def order(self, status="delivered"):
        """The id of its delivery."""
        self.receiver.answers = [(500, {}, b"")] if status != "delivered" else []
        body = {"currency": "EUR", "amount": 5, "reference": f"{status}-{self.count('orders')}"}
        made = self.client.post("/api/v1/orders", json=body, headers=self.shop.headers)
        assert made.status_code == 201
        self.drain()
        id = self.sql("SELECT id FROM callback_deliveries ORDER BY id DESC LIMIT 1")
        set_to = "UPDATE callback_deliveries SET status = :status, due_at = NULL WHERE id = :id"
        if status == "exhausted":
            self.sql(set_to, status=status, id=id)
        if status == "pending":
            self.sql("UPDATE callback_deliveries SET due_at = '2999-01-01' WHERE id = :id", id=id)
        return id

    def count(self, table):
        return self.sql(f"SELECT count(*) FROM {table}")

    def left(self):
        with transaction(actor="test:left") as tx:
            return list(tx.scalars(text("SELECT id FROM callback_deliveries ORDER BY id")))

    def prune(self):
        """A run to its end; how many rows it says are gone, in how many steps."""
        with transaction(actor="test:prune") as tx:
            run = runs.start(tx, "prune").id
        return self.go_on(run)

    def go_on(self, run):
        for step in range(1, 60):
            app.tasks["clock.step"](run)
            self.advance(1)
            if self.sql("SELECT status FROM runs WHERE id = :id", id=run) == "succeeded":
                return self.sql("SELECT done FROM runs WHERE id = :id", id=run), step
        raise AssertionError("it never came to its end")


@pytest.fixture
def told(client, shop, receiver, sql, drain, advance):
    receiver.register(client, shop, events=["order.created"])
    return Told(client, shop, receiver, sql, drain, advance)


def test_what_arrived_goes_and_what_did_not_stays(told):
    told.order()
    exhausted, pending = told.order("exhausted"), told.order("pending")
    told.order()
    events = told.count("events")
    assert (told.count("callback_attempts"), len(told.left())) == (4, 4)
    told.advance(31 * DAY)
    gone, _ = told.prune()

    assert told.left() == [exhausted, pending]
    assert told.count("callback_attempts") == 0
    assert gone == 4 + 2
    assert told.count("events") == events


def test_it_goes_by_its_days(told, monkeypatch):
    first = told.order()
    told.advance(29 * DAY)
    assert told.prune()[0] == 0
    assert told.left() == [first]
    second = told.order()
    told.sql("UPDATE callback_attempts SET started_at = gateway_now() WHERE id > 1")
    told.advance(2 * DAY)
    told.prune()
    assert (told.left(), told.count("callback_attempts")) == ([second], 1)

    monkeypatch.setenv("GATEWAY_DELIVERIES_KEPT_DAYS", "1")
    forget()
    told.prune()
    assert told.left() == []


def test_one_that_was_sent_again_by_hand_stays_as_long_as_that(told):
    id = told.order()
    told.advance(31 * DAY)
    told.client.post(f"/api/v1/webhook-deliveries/{id}/retry", headers=told.shop.headers)
    told.drain()
    told.sql("UPDATE callback_attempts SET started_at = gateway_now() WHERE number = 2")
    told.prune()

    assert told.left() == [id]
    shown = told.client.get(f"/api/v1/webhook-deliveries/{id}", headers=told.shop.headers).json
    assert (shown["attempts"], [each["number"] for each in shown["attempt_log"]]) == (2, [2])


def test_what_stays_is_passed_over_batch_by_batch(told, monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 2)
    kept = [told.order("exhausted") for _ in range(5)]
    taken = [told.order() for _ in range(3)]
    told.sql(MORE_ATTEMPTS, id=taken[0])
    told.advance(31 * DAY)
    young = told.order()
    now = "UPDATE callback_attempts SET started_at = gateway_now() WHERE delivery_id = :id"
    told.sql(now, id=young)
    gone, steps = told.prune()

    assert told.left() == [*kept, young]
    assert gone == 8 + 4 + 3
    assert steps < 14
    assert told.prune() == (0, 3), "a night later what stays is passed over, and that is all"


def test_what_is_being_worked_on_is_left_for_a_night(told):
    busy, _ = told.order(), told.order()
    told.advance(31 * DAY)
    told.sql("DELETE FROM callback_attempts")
    with ThreadPoolExecutor(1) as pool, transaction(actor="test:busy") as tx:
        lock(tx, Delivery, busy)
        assert pool.submit(told.prune).result(30)[0] == 1
    assert told.left() == [busy]
    told.prune()
    assert told.left() == []


@pytest.mark.parametrize("nth", range(1, 7))
def test_a_step_that_dies_is_done_by_the_next(told, monkeypatch, nth):
    monkeypatch.setattr(pruning, "BATCH", 1)
    kept = told.order("exhausted")
    told.order()
    told.advance(31 * DAY)
    with transaction(actor="test:prune") as tx:
        run = runs.start(tx, "prune").id
    left = [nth]

    def die(name):
        if name == "task:clock.step before commit":
            left[0] -= 1
            if left[0] == 0:
                raise Crash(name)

    arm(die)
    with pytest.raises(Crash):
        told.go_on(run)
    arm(None)
    told.advance(61)

    assert told.go_on(run)[0] == 3
    assert told.left() == [kept]


def test_a_payment_whose_callbacks_are_gone_still_has_its_story(told):
    body = {"order_id": "cart-7", "amount": 1999, "currency": "EUR"}
    payment = told.client.post("/api/v1/payments", json=body, headers=told.shop.headers).json
    told.receiver.answers = []
    told.drain(only="callbacks.")
    path = f"/api/v1/payments/{payment['id']}/timeline"

    def kinds():
        story = told.client.get(path, headers=told.shop.headers)
        assert story.status_code == 200, story.json
        return [entry["kind"] for entry in story.json["entries"]]

    before = kinds()
    assert before.count("callback") == 1
    told.advance(31 * DAY)
    told.prune()
    assert kinds() == [kind for kind in before if kind != "callback"]
