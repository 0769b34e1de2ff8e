"""The sweeps turn red when they should: each classic mistake is planted, and found by name."""

from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import text

from gateway.callbacks import batches
from gateway.kernel import db, due, events
from gateway.stripe_events import service as stripe_events
from workers import payments as payment_tasks

from .stage import Broken
from .test_callbacks import scene as ordered  # noqa: F401 - a fixture
from .test_callbacks import server
from .test_main_path import PAYMENT
from .test_webhooks import (
    arrives,
    look_while_it_is_declined,
    look_while_news_comes,
    sleeps_through_it,
)


def submit(world):
    world.post("/api/v1/payments", PAYMENT)
    world.work()


@pytest.fixture
def shop(stage, stripe_on_stage, shop_scene):
    stage.clean_stripe = True
    return shop_scene()


def caught(stage, scene, play):
    """The checks that saw it at the first point where it shows."""
    with pytest.raises(Broken) as broken:
        stage.sweep(scene, play)
    return broken.value.checks


def caught_anywhere(stage, scene, play, trouble):
    """Those that saw it at any point; there are few where a process can stand still."""
    checks = set()
    for number in range(12):
        try:
            stage.sweep(scene, play, trouble=trouble, part=(number, 12))
        except Broken as broken:
            checks |= broken.checks
    return checks


def test_events_in_a_transaction_of_their_own(stage, shop, monkeypatch):
    """A crash between the two leaves a payment without history."""
    honest = db.transaction

    @contextmanager
    def twice(actor):
        with honest(actor) as tx:
            yield tx
            later = tx.info.pop(events._PENDING, None)
        if later:
            with honest(actor) as tx:
                tx.connection().execute(events._INSERT, later)

    for module in ("gateway.kernel.http", "workers.payments", "workers.clerks"):
        monkeypatch.setattr(f"{module}.transaction", twice)

    assert {"story", "promises"} <= caught(stage, shop, submit)


def test_a_fresh_key_for_every_try(stage, shop, monkeypatch):
    """A crash after Stripe's answer opens a second session."""
    honest, keys = payment_tasks.session_request, count()

    def forgetful(tx, payment):
        return replace(honest(tx, payment), idempotency_key=f"random:{next(keys)}")

    monkeypatch.setattr(payment_tasks, "session_request", forgetful)
    stage.stripe.lever("POST", "reset")

    assert "stripe" in caught(stage, shop, submit)


def test_delivered_before_it_is_posted(stage, ordered, monkeypatch):  # noqa: F811
    """A crash before the post loses the callback, and the moment of death shows the lie."""

    honest = batches.take

    def eager(tx, most):
        taken = honest(tx, most)
        ids = {"ids": [each.id for each in taken]}
        tx.execute(
            text(
                "UPDATE callback_deliveries SET status = 'delivered', due_at = NULL"
                " WHERE id = ANY(:ids)"
            ),
            ids,
        )
        return taken

    monkeypatch.setattr(batches, "take", eager)

    assert {"promises"} <= caught(stage, ordered, server())


def test_a_claim_without_fencing(stage, shop, monkeypatch):
    """A late worker tells a decline that others have told before the next one."""
    monkeypatch.setattr("gateway.settlement.apply.is_ours", lambda row, claimed: True)

    checks = caught_anywhere(stage, shop, look_while_it_is_declined, sleeps_through_it)

    assert "story" in checks


def test_settling_what_has_fallen_due_again(stage, shop, monkeypatch):
    """News that came during the look is not looked at."""

    def careless(tx, row, claimed, *, due_in, attention=None):
        row.leased_until, row.attempts, row.needs_attention = None, 0, attention
        later = due.timedelta(seconds=due_in or 0)
        row.due_at = None if due_in is None else db.now(tx) + later

    monkeypatch.setattr("gateway.settlement.apply.settle", careless)

    checks = caught_anywhere(stage, shop, look_while_news_comes, arrives)

    assert {"payments", "orders", "stripe events"} <= checks


def test_closing_news_that_came_after_the_claim(stage, shop, monkeypatch):
    """An event is marked as processed though Stripe was asked before it came."""
    honest = stripe_events.mark_processed

    def greedy(tx, payment_id, *, stored_before):
        honest(tx, payment_id, stored_before=stored_before + due.timedelta(hours=1))

    monkeypatch.setattr(stripe_events, "mark_processed", greedy)

    checks = caught_anywhere(stage, shop, look_while_news_comes, arrives)

    assert checks == {"promises"}
