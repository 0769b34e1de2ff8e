"""What a merchant is shown of a payment's story: everything, in order, and what comes next."""

from datetime import datetime

import pytest
from tests_support import forget, tell

from gateway.kernel.db import transaction
from gateway.kernel.due import claim
from gateway.payments.models import Payment

BODY = {"order_id": "cart-7", "amount": 1999, "currency": "EUR"}
DECLINED = "4000000000000002"


@pytest.fixture
def payment(client, shop, stripe):
    return client.post("/api/v1/payments", json=BODY, headers=shop.headers).json


def timeline(client, shop, payment):
    answer = client.get(f"/api/v1/payments/{payment['id']}/timeline", headers=shop.headers)
    assert answer.status_code == 200, answer.json
    return answer.json


def told(story, kind):
    return [(e["what"], e["outcome"]) for e in story["entries"] if e["kind"] == kind]


def pay(client, stripe, drain, payment, shop, card="4242424242424242"):
    url = client.get(f"/api/v1/payments/{payment['id']}", headers=shop.headers).json["checkout_url"]
    stripe.pay(url, card)
    for event in stripe.events():
        tell(client, event)
    drain()


def test_a_new_payment_says_what_comes_next(client, shop, payment):
    story = timeline(client, shop, payment)

    assert (story["payment_id"], story["status"]) == (payment["id"], "pending")
    assert told(story, "event") == [
        ("order.created", "created"),
        ("payment.created", "pending"),
        ("order.payment_in_progress", "payment_in_progress"),
    ]
    assert [(step["what"], step["why"]) for step in story["next"]] == [
        ("payments.submit", "Open the page to pay at.")
    ]
    assert (story["needs_attention"], story["truncated"]) == (None, False)


def test_a_paid_one_shows_everybody_who_had_a_part_in_it(
    client, shop, stripe, drain, payment, receiver
):
    receiver.register(client, shop, events=["payment.succeeded"])
    drain()
    pay(client, stripe, drain, payment, shop)

    story = timeline(client, shop, payment)

    assert ("payment.succeeded", "succeeded") in told(story, "event")
    assert told(story, "stripe_call") == [
        ("payments.submit", "requires_action"),
        ("payments.refresh", "succeeded"),
    ]
    assert ("checkout.session.completed", "processed") in told(story, "stripe_event")
    assert told(story, "callback") == [("payment.succeeded", "delivered")]
    assert story["next"] == []
    times = [entry["at"] for entry in story["entries"]]
    assert times == sorted(times)


def test_a_failing_callback_shows_why_and_when_it_is_tried_again(
    client, shop, stripe, drain, payment, receiver
):
    receiver.register(client, shop, events=["payment.requires_action"])
    receiver.answers = [(500, {}, b"broken")]
    drain()

    story = timeline(client, shop, payment)

    (entry,) = [e for e in story["entries"] if e["kind"] == "callback"]
    assert entry["outcome"] == "failed"
    assert "attempt 1 to we_" in entry["detail"]
    assert "500" in entry["detail"]
    (waiting,) = [step for step in story["next"] if step["what"] == "callbacks.deliver"]
    assert "payment.requires_action, attempt 2 of 5." in waiting["why"]


def test_one_more_attempt_by_hand_is_called_that(
    client, shop, stripe, drain, payment, receiver, sql
):
    receiver.register(client, shop, events=["payment.requires_action"])
    drain()
    sql("UPDATE callback_deliveries SET attempted = 5")
    delivery = sql("SELECT id FROM callback_deliveries")
    client.post(f"/api/v1/webhook-deliveries/{delivery}/retry", headers=shop.headers)

    (step,) = [s for s in timeline(client, shop, payment)["next"] if "Tell" in s["why"]]

    assert "attempt 6, asked for by hand." in step["why"]


def test_what_is_being_tried_comes_next_when_its_lease_ends(client, shop, payment):
    with transaction(actor="test:claim") as tx:
        claim(tx, Payment, payment["id"])

    (step,) = timeline(client, shop, payment)["next"]
    with transaction(actor="test:read") as tx:
        row = tx.get(Payment, payment["id"])
        assert datetime.fromisoformat(step["at"]) == row.leased_until


def test_a_callback_stands_after_what_it_tells_when_the_clock_was_moved(
    client, shop, stripe, drain, payment, receiver, advance
):
    advance(86400)
    receiver.register(client, shop, events=["payment.requires_action"])
    drain()

    kinds = [entry["kind"] for entry in timeline(client, shop, payment)["entries"]]

    assert kinds[-1] == "callback"


def test_the_operators_trouble_with_stripe_is_not_told_to_merchants(
    client, shop, stripe, drain, payment, monkeypatch
):
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_of_the_operator")
    forget()
    drain()

    story = timeline(client, shop, payment)

    words = "create session: Stripe refuses the gateway's own key (HTTP 401)"
    assert story["needs_attention"] == words
    assert [e["detail"] for e in story["entries"] if e["kind"] == "stripe_call"] == [words]


def test_a_decline_and_a_silence_are_kept(client, shop, stripe, drain, payment, advance):
    stripe.faults(error_before=1)
    drain()
    story = timeline(client, shop, payment)
    assert told(story, "stripe_call") == [("payments.submit", "unanswered")]
    assert "tried once in vain" in story["next"][0]["why"]

    stripe.lever("DELETE", "faults")
    advance(120)
    drain()
    pay(client, stripe, drain, payment, shop, card=DECLINED)

    assert told(timeline(client, shop, payment), "stripe_call") == [
        ("payments.submit", "unanswered"),
        ("payments.submit", "requires_action"),
        ("payments.refresh", "declined"),
    ]


def test_a_look_that_finds_nothing_new_leaves_no_entry(
    client, shop, stripe, drain, payment, advance
):
    drain()
    before = timeline(client, shop, payment)["entries"]
    for _ in range(3):
        advance(700)
        drain()

    assert timeline(client, shop, payment)["entries"] == before


def test_an_ignored_event_says_why(client, shop, stripe, drain, payment, sql):
    drain()
    pay(client, stripe, drain, payment, shop)
    event = stripe.events()[-1] | {"id": "evt_of_the_other_world", "livemode": True}
    tell(client, event)

    story = timeline(client, shop, payment)

    (ignored,) = [e for e in story["entries"] if e["outcome"] == "ignored"]
    assert "other mode" in ignored["detail"]


def test_only_the_newest_entries_of_a_long_story_are_shown(client, shop, payment, sql):
    sql(
        "INSERT INTO stripe_calls (payment_id, task, number, asked_at, answered_at, outcome)"
        " SELECT :id, 'payments.refresh', n, now(), now() + n * interval '1 s', 'unanswered'"
        " FROM generate_series(1, 600) n",
        id=payment["id"],
    )

    story = timeline(client, shop, payment)

    assert (len(story["entries"]), story["truncated"]) == (500, True)


def test_anothers_payment_has_no_story(client, new_shop, payment):
    answer = client.get(
        f"/api/v1/payments/{payment['id']}/timeline", headers=new_shop("Other").headers
    )

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_a_callback_that_waits_for_its_endpoint_says_for_what(
    client, shop, payment, receiver, drain
):
    made = receiver.register(client, shop, events=["payment.created"])
    path = f"/api/v1/webhook-endpoints/{made['id']}/disable"
    client.post(path, json={"reason": "We are moving."}, headers=shop.headers)
    drain(only="callbacks.")
    another = client.post(
        "/api/v1/payments",
        json={"order_id": "R-2", "amount": 500, "currency": "EUR"},
        headers=shop.headers,
    ).json
    drain(only="callbacks.")

    told = timeline(client, shop, another)["next"]
    (step,) = [step for step in told if step["what"] == "callbacks.tend"]
    assert step["at"] is None
    assert told[-1] == step
    assert "We are moving." in step["why"]
