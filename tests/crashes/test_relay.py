"""The relay, with a broker: between numbering, fan-out and commit, before, amid and after hints.

What a dead relay has left in the broker is worked upon as well, so that a hint may come twice.
"""

import json
from base64 import b64decode

import pytest
from kombu import Connection, pools

from gateway.kernel.crashpoints import Crash
from gateway.settings import settings
from workers import relay
from workers.app import app

from .stage import quiet_relay

ORDERS = 3
# One for all callbacks, and one for each order that nobody has paid in time.
HINTS = 1 + ORDERS
QUEUES = ("stripe", "callbacks", "clock")


@pytest.fixture
def broker(servers, monkeypatch):
    """Redis, and what waits in it."""
    with Connection(servers.redis.url) as connection:
        monkeypatch.setattr(app.amqp, "_producer_pool", pools.producers[connection])
        redis = connection.default_channel.client
        redis.flushdb()
        yield redis
        redis.flushdb()


@pytest.fixture
def scene(stage, shop_scene):
    def prepare(world):
        for number in range(ORDERS):
            body = {"reference": f"order-{number}", "amount": 500, "currency": "EUR"}
            world.post("/api/v1/orders", body)
        world.advance(settings().order_ttl + 1)

    return stage.scene(prepare, before=shop_scene("order.created"))


def hinted(redis):
    """Take what waits, as (task, id)."""
    taken = []
    for queue in QUEUES:
        while (message := redis.rpop(queue)) is not None:
            told = json.loads(message)
            body = json.loads(b64decode(told["body"]))
            taken.append((told["headers"]["task"], body[0][0]))
    return taken


def by_the_broker(redis, sizes):
    """Passes of a relay that publishes; after a crash another begins with an empty memory."""

    def play(world):
        world.beat()
        redis.flushdb()
        relays = quiet_relay(relay.publish)
        while True:
            try:
                worked = relays.run_once()
            except Crash:
                world.died()
                relays = quiet_relay(relay.publish)
                continue
            hints = hinted(redis)
            sizes.append(len(hints))
            for task, subject in hints:
                world.insist(lambda task=task, subject=subject: app.tasks[task](subject))
            if not worked:
                return

    return play


def test_a_relay_that_dies_anywhere_is_followed_by_one_that_finds_everything(stage, scene, broker):
    sizes = []

    whole, names = stage.sweep(scene, by_the_broker(broker, sizes))

    assert whole["deliveries"] == [("order.created", "delivered", True)] * ORDERS
    assert names.count("relay hint before") == HINTS
    assert {"relay numbered before fan-out", "relay hints after"} < set(names)
    assert max(sizes) == 2 * HINTS, "hints of the dead are worked upon too"


def test_a_relay_that_dies_amid_its_hints_sends_none_of_them(stage, scene, broker):
    """They leave in one batch: whoever follows says them all, none is said by halves."""
    sizes = []
    play = by_the_broker(broker, sizes)
    _, names = stage.play(scene, play)
    sizes.clear()

    stage.play(scene, play, {names.index("relay hint before") + 2})

    assert sizes[0] == HINTS
