"""What tests and fixtures share: signing as Stripe does, and forgetting a process's memory."""

import json
from typing import Any

import stripe as sdk

from gateway.kernel import db
from gateway.processor import client as processor
from gateway.settings import settings

STRIPE_SECRET = "whsec_test_of_stripe"


def forget() -> None:
    """Drop what the process remembers of its settings and connections."""
    if db.engine.cache_info().currsize:
        db.engine().dispose()
    for remembered in (db.engine, settings, processor._client):
        remembered.cache_clear()


def signed(raw: str, *, secret: str = STRIPE_SECRET, at: int | None = None) -> dict[str, str]:
    header = sdk.WebhookSignature.generate_signature_header(raw, secret, at)
    return {"Stripe-Signature": header}


def tell(client: Any, event: dict[str, Any]) -> Any:
    """Deliver a Stripe event to the gateway as Stripe would."""
    raw = json.dumps(event)
    return client.post("/webhooks/stripe", data=raw, headers=signed(raw))
