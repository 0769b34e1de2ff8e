"""Orders and payments begun by a client that repeats what was not answered."""

import pytest

from gateway.kernel.crashpoints import Crash

from .stage import World

pytestmark = pytest.mark.usefixtures("stripe_on_stage")

ORDER = {"reference": "order-1", "amount": 1999, "currency": "EUR"}
PAYMENT = {"order_id": "order-1", "amount": 1999, "currency": "EUR"}


def key(world, name):
    return name if world.keyed else None


def order_then_payment(world):
    world.post("/api/v1/orders", ORDER, key=key(world, "order"))
    world.post("/api/v1/payments", PAYMENT, key=key(world, "payment"))


def payment_alone(world):
    world.post("/api/v1/payments", PAYMENT, key=key(world, "payment"))


def late(world, call):
    """As a client that comes back when everything else has gone on."""
    for _ in range(9):
        try:
            return call()
        except Crash:
            world.died()
            world.work()
    raise AssertionError("it never got through")


@pytest.mark.parametrize("play", [order_then_payment, payment_alone])
@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without a key"])
@pytest.mark.parametrize("repeats", ["at once", "late"])
def test_a_request_repeated_after_a_crash_is_one_request(
    stage, shop_scene, monkeypatch, play, keyed, repeats
):
    stage.clean_stripe = True
    if repeats == "late":
        monkeypatch.setattr(World, "insist", late)
    scene = shop_scene()
    scene.facts["keyed"] = keyed

    whole, names = stage.sweep(scene, play)

    assert whole["payments"] == [
        ("order-1", 1, "requires_action", 0, 0, None, True, False, False, False, False)
    ]
    assert whole["stripe"] == [(1, 0)]
    assert len(whole["keys"]) == len(whole["answers"]) == (len(names) // 5 if keyed else 0)
