"""Runs of the clock: one per period, begun, taken further and ended in spite of every death."""

import pytest
from tests_support import forget

from workers.app import app

from . import outcome
from .stage import stands_still

DAY = 86400
# In the first minutes of an hour, and of a day: what a sweep waits does not reach the next. Of the
# one after the next, so that what is a few minutes old is so at whatever time of day this is run.
TO_THE_START = """
    UPDATE clock SET offset_seconds = offset_seconds
        + 2 * :period - extract(epoch FROM gateway_now())::bigint % :period + 60"""
NOT_YET = "UPDATE payments SET due_at = gateway_now() + interval '10 minutes'"


def begin(world, period):
    with outcome.db.transaction(actor="test:clock") as tx:
        tx.execute(outcome.text(TO_THE_START), {"period": period})


def run_of(job, steps):
    def play(world):
        world.insist(lambda: app.tasks["clock.start"](job))
        for _ in range(steps):
            world.work()
            world.advance(2)

    return play


@pytest.fixture
def unheard(stage, stripe_on_stage, shop_scene, monkeypatch):
    """Two payments, of which one was paid; of neither a webhook has come."""
    monkeypatch.setenv("GATEWAY_RECONCILE_PER_SECOND", "1000")
    forget()

    def prepare(world):
        for name in ("order-1", "order-2"):
            body = {"order_id": name, "amount": 1999, "currency": "EUR"}
            world.post("/api/v1/payments", body)
        world.work()
        ((url,),) = outcome.rows(
            "SELECT checkout_url FROM payments WHERE order_reference = 'order-1'"
        )
        world.stripe.pay(url)
        begin(world, 3600)
        # As far as they would be if the clock had gone by itself: no look is due by chance.
        with outcome.db.transaction(actor="test:clock") as tx:
            tx.execute(outcome.text(NOT_YET))

    return stage.scene(prepare, before=shop_scene("payment.succeeded"))


# Taking a turn, and lists of what there is none of, change nothing.
NOTHING_NEW = ("stripe:pace", "stripe list refunds", "stripe list disputes")


def test_a_crash_in_reconciliation_ends_with_every_payment_looked_at(stage, unheard):
    whole, names = stage.sweep(unheard, run_of("reconcile", 3), but=NOTHING_NEW)

    assert whole["runs"] == [("reconcile", "succeeded", 2, 2, True, None)]
    assert [row[2] for row in whole["payments"]] == ["succeeded", "requires_action"]
    assert whole["deliveries"] == [("payment.succeeded", "delivered", True)]
    assert whole["discrepancies"] == [("state_differs", "fixed")]
    assert {"reconcile begun", "reconcile believed", "reconcile page read"} <= set(names)


def test_a_crash_while_it_is_asked_again_ends_with_the_row_closed_once(
    stage, unheard, stripe_on_stage
):
    """Money of nobody here, of which somebody was told, and which was let go at Stripe."""

    def prepare(world):
        play(world)
        ((intent,),) = outcome.rows(
            "SELECT stripe_intent_id FROM payments WHERE order_reference = 'order-1'"
        )
        stray = stripe_on_stage.lever("POST", f"objects/{intent}/copies", metadata={})["id"]
        begin(world, 3600)
        play(world)
        opened = outcome.rows("SELECT subject FROM discrepancies WHERE status = 'open'")
        assert opened == [(stray,)]
        stripe_on_stage.lever("PATCH", f"objects/{stray}", status="canceled", amount_received=0)
        world.advance(6 * 3600)
        begin(world, 3600)

    play = run_of("reconcile", 4)
    told = stage.scene(prepare, before=unheard)
    whole, names = stage.sweep(told, play, but=(*NOTHING_NEW, "stripe list", "reconcile page"))

    assert sorted(whole["discrepancies"]) == [("missing_here", "fixed"), ("state_differs", "fixed")]
    assert "stripe retrieve intent after" in names


def test_a_step_that_outlasts_its_lease_does_nothing(stage, unheard):
    stage.sweep(unheard, run_of("reconcile", 3), trouble=stands_still)


def test_a_crash_in_pruning_ends_with_nothing_old_left(stage, shop_scene):
    def prepare(world):
        for number in range(3):
            body = {"reference": f"order-{number}", "amount": 500, "currency": "EUR"}
            world.post("/api/v1/orders", body, key=f"key-{number}")
        world.work()
        world.advance(40 * DAY)
        begin(world, DAY)
        world.calls.clear()

    whole, _ = stage.sweep(stage.scene(prepare, before=shop_scene()), run_of("prune", 2))

    assert whole["keys"] == []
    assert whole["runs"] == [("prune", "succeeded", 3, 3, True, None)]
