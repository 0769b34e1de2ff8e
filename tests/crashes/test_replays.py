"""A replay: asked for once, and every batch told, in spite of every death.

Of five orders two were told and one was given up, and two came before the endpoint. What a dead
step had done is undone with it; the next begins where it began.
"""

import pytest

from gateway.callbacks import replays
from workers.app import app

from . import outcome
from .stage import stands_still

STEPS = 4
GIVE_UP = """
    UPDATE callback_deliveries d SET status = 'exhausted', due_at = NULL FROM events e
    WHERE e.id = d.event_id AND e.data->>'reference' = 'given-up'"""
TOLD = ("order.created", "delivered", True)


@pytest.fixture
def scene(stage, shop_scene, monkeypatch):
    monkeypatch.setattr(replays, "BATCH", 2)

    def prepare(world):
        order(world, "never-1", "never-2")
        world.facts["endpoint"] = world.receiver.register(
            world.client, world.shop, events=["order.created"]
        )["id"]
        order(world, "taken-1", "taken-2")
        world.passes()
        world.receiver.answers = [(500, {}, b"")]
        order(world, "given-up")
        world.passes()
        with outcome.db.transaction(actor="test:past") as tx:
            tx.execute(outcome.text(GIVE_UP))

    return stage.scene(prepare, before=shop_scene())


def order(world, *references):
    for reference in references:
        body = {"reference": reference, "amount": 500, "currency": "EUR"}
        world.post("/api/v1/orders", body)


def replayed(world):
    """Asked for by a careful client, and taken further by one worker after the other."""
    path = f"/api/v1/webhook-endpoints/{world.endpoint}/replay"
    world.post(path, {"since": "2020-01-01T00:00:00Z"}, key="replay-1")
    for _ in range(STEPS):
        world.work()
        world.advance(2)


def test_a_crash_in_a_replay_ends_with_every_batch_told(stage, scene):
    whole, names = stage.sweep(scene, replayed, but=("relay", "callback", "task:callbacks"))

    assert whole["deliveries"] == [TOLD] * 5
    assert whole["runs"] == [("replay", "succeeded", 6, 6, True, None)]
    assert names.count("replay batch in the lane") == 3


def test_a_step_that_outlasts_its_lease_does_nothing(stage, scene):
    stage.sweep(scene, replayed, trouble=stands_still)


def test_a_hint_that_comes_twice_does_nothing(stage, scene):
    def twice(world):
        replayed(world)
        ((run,),) = outcome.rows("SELECT id FROM runs")
        app.tasks["clock.step"](run)

    once, _ = stage.play(scene, replayed)
    again, _ = stage.play(scene, twice)

    assert once == again
