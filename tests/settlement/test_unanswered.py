"""Unknown is never failed: Stripe away, slow, confused, or refusing our key."""

import pytest
import requests
from tests_support import forget

from gateway.kernel.db import transaction
from gateway.payments.service import make_due

HOUR = 3600


def drain_through(drain, advance, times=8, seconds=61):
    for _ in range(times):
        drain()
        advance(seconds)


def test_an_outage_delays_is_visible_and_fails_nothing(
    buyer, stripe, drain, advance, monkeypatch, history
):
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
    forget()
    payment = buyer.buy()
    drain_through(drain, advance, times=5)

    waiting = buyer.read(payment["id"])
    assert (waiting["status"], waiting["certainty"]) == ("pending", "unconfirmed")
    assert waiting["next_check_at"] is not None
    assert buyer.ready()["status"] == "degraded"
    assert buyer.ready()["checks"]["stripe"]["unanswered"] == 1

    monkeypatch.setenv("STRIPE_API_BASE", stripe.url)
    forget()
    drain_through(drain, advance, times=1)

    back = buyer.read(payment["id"])
    assert (back["status"], back["certainty"]) == ("requires_action", "confirmed")
    assert history(payment["id"]) == ["payment.created", "payment.requires_action"]
    assert buyer.ready()["checks"]["stripe"]["ok"]


def test_a_stored_error_is_followed_by_looking_not_by_asking_again(buyer, stripe, drain, advance):
    stripe.faults(error_after=1.0)
    payment = buyer.buy()
    drain_through(drain, advance, times=3)

    assert buyer.read(payment["id"])["status"] == "requires_action"
    assert len(stripe.sessions(payment["id"])) == 1


def test_a_lost_answer_is_got_by_asking_again_with_the_same_key(buyer, stripe, drain):
    stripe.faults(timeout_after=1.0)
    payment = buyer.buy()
    drain()

    assert buyer.read(payment["id"])["status"] == "requires_action"
    assert len(stripe.sessions(payment["id"])) == 1


def test_after_twenty_hours_stripe_is_looked_at_before_it_is_asked_anew(
    buyer, stripe, drain, advance, sql
):
    stripe.faults(error_before=1.0)
    payment = buyer.buy()
    drain()
    stripe.lever("POST", "clock", advance_s=21 * HOUR)
    advance(21 * HOUR)
    stripe.lever("DELETE", "faults")
    drain_through(drain, advance, times=2)

    assert buyer.read(payment["id"])["status"] == "requires_action"
    assert len(stripe.sessions(payment["id"])) == 1
    number = sql("SELECT session_attempt FROM payments WHERE id = :id", id=payment["id"])
    assert number == 2


def test_the_parameters_asked_first_are_asked_again(buyer, stripe, drain, advance, monkeypatch):
    stripe.faults(error_before=1.0)
    payment = buyer.buy()
    drain()
    stripe.lever("DELETE", "faults")
    monkeypatch.setenv("GATEWAY_BASE_URL", "http://moved.example")
    forget()
    drain_through(drain, advance, times=2)

    (session,) = stripe.sessions(payment["id"])
    assert session["success_url"].startswith("http://127.0.0.1:8000/")


def test_a_refused_key_of_ours_is_an_operators_matter(
    buyer, stripe, drain, advance, monkeypatch, sql
):
    monkeypatch.setenv("STRIPE_SECRET_KEY", "not-a-key")
    forget()
    payment = buyer.buy()
    drain_through(drain, advance, times=3)

    assert buyer.read(payment["id"])["status"] == "pending"
    why = sql("SELECT needs_attention FROM payments WHERE id = :id", id=payment["id"])
    assert why == "create session: Stripe refuses the gateway's own key (HTTP 401)"
    assert buyer.ready()["checks"]["attention"]["ok"] is False

    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_gateway")
    forget()
    advance(HOUR)
    drain()

    assert buyer.read(payment["id"])["status"] == "requires_action"
    assert sql("SELECT needs_attention FROM payments WHERE id = :id", id=payment["id"]) is None


def test_a_session_that_stripe_denies_proves_nothing(buyer, opened, stripe, drain, sql):
    payment = opened()
    stripe.lever("POST", "reset")
    with transaction(actor="test:news") as tx:
        make_due(tx, payment["id"])
    drain()

    assert buyer.read(payment["id"])["status"] == "requires_action"
    why = sql("SELECT needs_attention FROM payments WHERE id = :id", id=payment["id"])
    assert "resource_missing" in why


def test_without_any_webhook_polling_finishes_a_paid_payment(buyer, opened, stripe, drain, advance):
    payment = opened()
    stripe.pay(payment["checkout_url"])
    drain()
    assert buyer.read(payment["id"])["status"] == "requires_action"
    advance(601)
    drain()

    assert buyer.read(payment["id"])["status"] == "succeeded"


@pytest.mark.parametrize("seed", range(3))
def test_nobody_is_charged_twice_by_a_stripe_that_fails_at_random(
    buyer, stripe, drain, advance, seed
):
    stripe.faults(seed=seed, error_before=0.2, error_after=0.3, timeout_after=0.1)
    ids = [buyer.buy(f"order-{number}")["id"] for number in range(8)]
    drain_through(drain, advance, times=25)
    stripe.lever("DELETE", "faults")
    drain_through(drain, advance, times=3)
    for payment_id in ids:
        payment = buyer.read(payment_id)
        assert payment["status"] == "requires_action"
        stripe.pay(payment["checkout_url"])
    advance(7200)  # as seldom as it ever looks
    drain()

    assert {buyer.read(payment_id)["status"] for payment_id in ids} == {"succeeded"}
    state = requests.get(f"{stripe.url}/_sandbox/state", timeout=10).json()
    charged = [row for row in state["sessions"] if row["successful_charges"]]
    assert sorted(row["client_reference_id"] for row in charged) == sorted(ids)
    assert {row["successful_charges"] for row in charged} == {1}
