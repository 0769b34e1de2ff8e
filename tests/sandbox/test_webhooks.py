"""Webhooks: signed, repeated until confirmed, and lost or doubled on request."""

import json
import time
from typing import Any

import pytest
import requests
import stripe

from gateway.dev.sandbox import shapes

from .support import SECRET, Receiver, Server, until


def expire(sandbox: Server) -> str:
    """The shortest story that ends in exactly one event."""
    id: str = sandbox.create().id
    sandbox.client.v1.checkout.sessions.expire(id)
    return id


def event_about(sandbox: Server, session_id: str) -> Any:
    listed = sandbox.client.v1.events.list({"limit": 20}).data
    return next(event for event in listed if event.data.object.id == session_id)


def test_what_is_sent_is_signed_and_whole(sandbox: Server, receiver: Receiver):
    start = len(receiver.received)
    session = sandbox.create()
    sandbox.pay(session.id)

    until(lambda: receiver.about(session.id))

    for body, signature in receiver.received[start:]:
        event = stripe.Webhook.construct_event(body, signature, SECRET)
        assert shapes.problems(event.to_dict()) == []
        assert body.decode() == json.dumps(json.loads(body), indent=2)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", signature, SECRET)


def test_all_events_of_a_payment_arrive(sandbox: Server, receiver: Receiver):
    id = sandbox.create().id
    sandbox.pay(id)
    intent = sandbox.session(id).payment_intent.id

    def arrived() -> list[str]:
        events = [json.loads(body) for body, _ in list(receiver.received)]
        return sorted(event["type"] for event in events if intent in _named(event))

    until(lambda: len(arrived()) >= 4)
    assert arrived() == [
        "charge.succeeded",
        "checkout.session.completed",
        "payment_intent.created",
        "payment_intent.succeeded",
    ]


def _named(event: dict[str, Any]) -> tuple[str, str | None]:
    about = event["data"]["object"]
    return about["id"], about.get("payment_intent")


def test_a_confirmed_event_is_not_pending(sandbox: Server, receiver: Receiver):
    id = expire(sandbox)

    until(lambda: event_about(sandbox, id).pending_webhooks == 0)

    assert receiver.about(id)[0]["pending_webhooks"] == 1
    confirmed = sandbox.client.v1.events.list({"delivery_success": True, "limit": 1}).data
    assert [event.data.object.id for event in confirmed] == [id]


def test_a_refused_delivery_is_repeated_with_a_new_signature(sandbox: Server, receiver: Receiver):
    receiver.answers["checkout.session.expired"] = [500, 302]
    start = len(receiver.received)

    id = expire(sandbox)

    until(lambda: len(receiver.about(id)) == 3)
    assert len({event["id"] for event in receiver.about(id)}) == 1
    assert len({signature for _, signature in receiver.received[start:]}) == 3
    until(lambda: event_about(sandbox, id).pending_webhooks == 0)


def test_dropped_events_are_found_and_resent(sandbox: Server, receiver: Receiver):
    sandbox.lever("PUT", "faults", {"drop_webhooks": 1})
    id = expire(sandbox)
    event = event_about(sandbox, id)
    assert event.pending_webhooks == 1
    missed = sandbox.client.v1.events.list({"delivery_success": False}).data
    assert event.id in [one.id for one in missed]
    assert not receiver.about(id)

    sandbox.lever("POST", "webhooks/resend", {"event_id": event.id})

    until(lambda: event_about(sandbox, id).pending_webhooks == 0)
    assert len(receiver.about(id)) == 1
    sandbox.lever("POST", "webhooks/resend", {"event_id": event.id})
    until(lambda: len(receiver.about(id)) == 2)


def test_resend_of_nothing(sandbox: Server):
    assert sandbox.lever("POST", "webhooks/resend", {"event_id": "evt_x"}).status_code == 404


def test_duplicates_arrive_twice(sandbox: Server, receiver: Receiver):
    sandbox.lever("PUT", "faults", {"duplicate_webhooks": 1})

    id = expire(sandbox)

    until(lambda: len(receiver.about(id)) == 2)
    assert event_about(sandbox, id).pending_webhooks == 0


def test_delays_are_kept(sandbox: Server, receiver: Receiver):
    sandbox.lever("PUT", "faults", {"delay_webhooks_s": 0.5})
    began = time.monotonic()

    id = expire(sandbox)

    until(lambda: receiver.about(id))
    assert time.monotonic() - began >= 0.5


def test_reordering_still_delivers_everything(sandbox: Server, receiver: Receiver):
    sandbox.lever("PUT", "faults", {"reorder_webhooks": 1, "seed": 7})
    ids = [expire(sandbox) for _ in range(3)]

    until(lambda: all(receiver.about(id) for id in ids))


def test_a_sandbox_without_a_webhook_owes_none(tmp_path: Any):
    server = Server(tmp_path / "quiet.sqlite3")
    try:
        id = expire(server)
        event = event_about(server, id)
        assert event.pending_webhooks == 0
        refused = server.lever("POST", "webhooks/resend", {"event_id": event.id})
        assert refused.status_code == 409
        assert requests.get(server.url, timeout=10).ok
    finally:
        assert server.stop() == 0
