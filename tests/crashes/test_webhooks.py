"""News from Stripe: stored once, looked up, and believed only when Stripe says it again.

Besides crashes: a worker that stands still until its lease is over and others have done its work,
and news that comes in just then.
"""

import pytest

from .outcome import promises
from .stage import another_process, stands_still

PAYMENT = {"order_id": "order-1", "amount": 1999, "currency": "EUR"}
DECLINED, SHORT, GOOD = "4000000000000002", "4000000000009995", "4242424242424242"
POLL = 601


@pytest.fixture
def opened(stage, stripe_on_stage, shop_scene):
    """A payment whose page is open."""

    def prepare(world):
        world.post("/api/v1/payments", PAYMENT)
        world.work()

    shop = shop_scene("payment.attempt_declined", "payment.succeeded")
    return stage.scene(prepare, before=shop)


@pytest.fixture
def at_stripe(stage, opened):
    """The same, and what the shopper has done at Stripe since; nothing of it has been told."""

    def make(card):
        return stage.scene(lambda world: world.pay(card), before=opened)

    return make


def hear(world):
    world.tell()
    world.work()


def miss(world):
    """Every webhook was lost; the look that was due anyway finds out."""
    world.advance(POLL)
    world.work()


@pytest.mark.parametrize("play", [hear, miss])
def test_a_crash_after_a_payment_ends_in_a_paid_order(stage, at_stripe, play):
    whole, _ = stage.sweep(at_stripe(GOOD), play)

    assert whole["orders"][0][1] == "payment_done"
    assert whole["stripe"] == [(1, 1, 1999, 0)]
    assert whole["deliveries"] == [("payment.succeeded", "delivered", True)]
    assert {status for _, status, _ in whole["stripe events"]} <= {"processed", "ignored"}


def test_a_crash_in_hearing_the_same_news_again_changes_nothing(stage, at_stripe):
    whole, _ = stage.sweep(stage.scene(hear, before=at_stripe(GOOD)), hear)

    assert whole["deliveries"] == [("payment.succeeded", "delivered", True)]


def test_a_crash_after_a_decline_tells_it_once(stage, at_stripe):
    whole, _ = stage.sweep(at_stripe(DECLINED), hear)

    assert whole["payments"][0][2] == "requires_action"
    assert whole["deliveries"] == [("payment.attempt_declined", "delivered", True)]


def test_a_crash_between_a_decline_and_a_success_tells_both(stage, at_stripe):
    after = at_stripe(DECLINED)
    scene = stage.scene(lambda world: (hear(world), world.pay()), before=after)

    whole, _ = stage.sweep(scene, hear)

    assert whole["payments"][0][2:6] == ("succeeded", 1999, 0, None)
    assert [row[0] for row in whole["deliveries"]] == [
        "payment.attempt_declined",
        "payment.succeeded",
    ]


@pytest.mark.parametrize("card", [DECLINED, GOOD], ids=["declined", "paid"])
def test_a_worker_that_comes_back_after_its_lease_writes_nothing(stage, at_stripe, card):
    stage.sweep(at_stripe(card), hear, trouble=stands_still)


def news(world):
    world.told = True
    world.pay()
    world.tell()


def arrives(world):
    """The shopper pays and Stripe says so, just now; every promise holds from here on."""

    def arrive(_):
        with world.points.mute():
            news(world)
        world.points.between = lambda _: world.broken.extend(promises(world))

    return arrive


def open_page(world):
    world.told = False
    with world.points.mute():
        world.post("/api/v1/payments", PAYMENT)
        world.work()
        world.advance(POLL)


def look_while_news_comes(world):
    open_page(world)
    world.work()
    if not world.told:
        with world.points.mute():  # the same in every play, only later
            news(world)
            world.work()


def test_news_during_a_look_is_looked_at_again(stage, stripe_on_stage, shop_scene):
    stage.clean_stripe = True

    whole, _ = stage.sweep(shop_scene("payment.succeeded"), look_while_news_comes, trouble=arrives)

    assert whole["payments"][0][2] == "succeeded"


def next_decline(world):
    world.told = True
    world.quiet()
    world.pay(SHORT)
    world.tell()
    world.quiet()


def sleeps_through_it(world):
    """The process sleeps while others tell the first decline and the next."""

    def sleep(_):
        world.lost_posts = range(2)
        with another_process(world):
            next_decline(world)

    return sleep


def look_while_it_is_declined(world):
    open_page(world)
    with world.points.mute():
        world.pay(DECLINED)
        world.tell()
    world.work()
    if not world.told:
        with world.points.mute():  # the same in every play, only later
            next_decline(world)


def test_a_late_worker_does_not_tell_an_old_decline_again(stage, stripe_on_stage, shop_scene):
    stage.clean_stripe = True
    scene = shop_scene("payment.attempt_declined")

    whole, _ = stage.sweep(scene, look_while_it_is_declined, trouble=sleeps_through_it)

    assert len(whole["deliveries"]) == 2
