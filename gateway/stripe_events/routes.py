"""HTTP for Stripe's webhooks. Stored before 200; whatever it says is looked up later."""

from typing import Any

from flask import Blueprint, request
from sqlalchemy.orm import Session

from gateway.kernel.http import receive
from gateway.processor.types import StripeNews
from gateway.processor.webhooks import MAX_BODY, verify
from gateway.stripe_events import service

webhooks = Blueprint("stripe_webhooks", "stripe_webhooks")


def _verify(raw: bytes) -> StripeNews:
    return verify(raw, request.headers.get("Stripe-Signature", ""))


@receive(webhooks, "/webhooks/stripe", verify=_verify, limit=MAX_BODY)
def stripe_webhook(tx: Session, news: StripeNews) -> dict[str, Any]:
    return service.answer(service.store(tx, news))
