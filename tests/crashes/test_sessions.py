"""The session at Stripe is opened once, whoever dies and whatever Stripe answers."""

import pytest
from tests_support import forget

from gateway.processor import client

from .stage import LEASE

PAYMENT = {"order_id": "order-1", "amount": 1999, "currency": "EUR"}
FAULTS = ("error_before", "error_after", "timeout_after")


@pytest.fixture
def scene(stage, stripe_on_stage, shop_scene, monkeypatch):
    """A payment that Stripe has not heard of, and a Stripe that is asked once per try."""
    monkeypatch.setattr(client, "NETWORK_RETRIES", 0)  # its pauses are long; due times do the same
    monkeypatch.setenv("GATEWAY_STRIPE_TIMEOUT", "0.4")  # well before the sandbox hangs up
    forget()
    stage.clean_stripe = True
    shop = shop_scene()
    return stage.scene(lambda world: world.post("/api/v1/payments", PAYMENT), before=shop)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_crash_while_stripe_is_in_trouble_opens_one_session(stage, scene, stripe, fault):
    def submit(world):
        stripe.faults(**{fault: 1.0})
        world.work()
        stripe.lever("DELETE", "faults")
        world.advance(LEASE)
        world.work()

    whole, names = stage.sweep(scene, submit, but=("relay",))

    assert whole["payments"][0][2] == "requires_action"
    assert whole["stripe"] == [(1, 0)]
    assert "stripe create session failed" in names


def test_a_crash_after_each_of_two_errors_opens_one_session(stage, scene, stripe):
    """The stored error is found, the session looked for, all while Stripe goes on failing."""

    def submit(world):
        stripe.faults(error_after=1.0)
        for _ in range(3):
            world.work()
            world.advance(LEASE)
        stripe.lever("DELETE", "faults")

    whole, names = stage.sweep(scene, submit, but=("relay",))

    assert whole["stripe"] == [(1, 0)]
    assert "stripe list sessions after" in names


def test_a_refusal_by_stripe_is_told_once(stage, shop_scene, stripe_on_stage):
    body = PAYMENT | {"amount": 1}  # below what Stripe takes
    stage.clean_stripe = True
    shop = shop_scene("payment.failed")
    scene = stage.scene(lambda world: world.post("/api/v1/payments", body), before=shop)

    whole, _ = stage.sweep(scene, lambda world: world.work(), but=("relay",))

    assert whole["payments"][0][2] == "failed"
    assert whole["deliveries"] == [("payment.failed", "delivered", True)]
