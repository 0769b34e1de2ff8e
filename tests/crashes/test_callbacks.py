"""Callbacks are posted until they are taken, each attempt is written down, and none comes too much.

One event for one endpoint: an order. A crash after a post, before it is written down, is the only
reason to post the same attempt again.
"""

import pytest

from gateway.settings import TEST_RETRY_INTERVALS

from . import outcome
from .stage import LEASE, quiet_relay, stands_still

ORDER = {"reference": "order-1", "amount": 500, "currency": "EUR"}
REFUSED, TAKEN = (500, {}, b""), (200, {}, b"")
ATTEMPTS = len(TEST_RETRY_INTERVALS)


@pytest.fixture
def scene(stage, shop_scene):
    shop = shop_scene("order.created")
    return stage.scene(lambda world: world.post("/api/v1/orders", ORDER), before=shop)


def server(*answers):
    """A merchant's server that gives these answers, and then takes everything."""

    def play(world):
        world.receiver.answers = list(answers)
        for _ in answers or [TAKEN]:
            world.work()
            world.advance(LEASE)
        world.work()

    return play


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_a_crash_before_it_is_taken_loses_no_callback(stage, scene, failures):
    whole, names = stage.sweep(scene, server(*[REFUSED] * failures), but=("relay",))

    assert whole["deliveries"] == [("order.created", "delivered", True)]
    assert names.count("callback post after") == failures + 1


def test_a_crash_in_any_attempt_ends_with_all_of_them_made(stage, scene):
    """Also in the last one, which gives up: as many attempts are written down as are planned."""
    whole, names = stage.sweep(scene, server(*[REFUSED] * (ATTEMPTS + 1)), but=("relay",))

    assert whole["deliveries"] == [("order.created", "exhausted", True)]
    assert names.count("callback post after") == ATTEMPTS


def retried(world):
    """The merchant asks for another attempt when all have failed."""
    world.receiver.answers = [REFUSED] * (ATTEMPTS + 1)
    with world.points.mute():
        world.work()
        world.quiet()
    world.receiver.answers.clear()
    ((id,),) = outcome.rows("SELECT id FROM callback_deliveries")
    world.post(f"/api/v1/webhook-deliveries/{id}/retry", {})
    world.work()


def test_a_crash_in_an_attempt_that_was_asked_for(stage, scene):
    whole, _ = stage.sweep(scene, retried)

    assert whole["deliveries"] == [("order.created", "delivered", True)]


def test_a_crash_in_a_delivery_whose_endpoint_is_gone(stage, scene):
    def gone(world):
        ((id,),) = outcome.rows("SELECT id FROM callback_endpoints")
        quiet_relay(lambda hints: None).run_once()
        path = f"/api/v1/webhook-endpoints/{id}"
        world.client.delete(path, headers=world.shop.headers)

    whole, names = stage.sweep(stage.scene(gone, before=scene), server())

    assert whole["deliveries"] == [("order.created", "exhausted", True)]
    assert "callback post before" not in names


@pytest.mark.parametrize("failures", [0, 2])
def test_an_attempt_that_outlasts_its_lease_is_not_written_down(stage, scene, failures):
    stage.sweep(scene, server(*[REFUSED] * failures), trouble=stands_still)
