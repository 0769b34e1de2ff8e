"""A purchase from the first request to the last callback, with a crash at every single place."""

import random

import pytest

from .stage import Broken

pytestmark = pytest.mark.usefixtures("stripe_on_stage")

PAYMENT = {"order_id": "order-1", "amount": 1999, "currency": "EUR"}
PARTS = 3
PAIRS = 40


def purchase(world):
    world.post("/api/v1/payments", PAYMENT, key="purchase")
    world.work()
    world.pay()
    world.tell()
    world.work()


@pytest.fixture
def scene(stage, shop_scene):
    stage.clean_stripe = True
    return shop_scene("payment.succeeded")


@pytest.mark.parametrize("part", range(PARTS))
def test_a_crash_anywhere_ends_as_if_there_had_been_none(stage, scene, part):
    whole, names = stage.sweep(scene, purchase, part=(part, PARTS))

    assert whole["orders"] == [("order-1", "payment_done", 1999, None, False, True)]
    assert whole["stripe"] == [(1, 1, 1999, 0)]
    assert whole["deliveries"] == [("payment.succeeded", "delivered", True)]
    assert len(names) > 50


@pytest.mark.parametrize("seed", range(2))
def test_a_second_crash_in_the_repairs_of_the_first_changes_nothing(stage, scene, seed):
    chance = random.Random(seed)
    whole, names = stage.play(scene, purchase)
    for _ in range(PAIRS // 2):
        first = chance.randint(1, len(names))
        second = first + chance.randint(1, 20)
        found, seen = stage.play(scene, purchase, {first, second})
        if found != whole:
            raise Broken(f"{seen[first - 1]} and {seen[second - 1 : second]}", whole, found)
