"""Stripe's webhooks: is this body really Stripe's, and what is it about?

Works on the raw bytes; every secret is tried, so that one can be replaced without a gap. Whatever
a stranger sends, the answer is a 4xx (docs.stripe.com/webhooks, signatures).
"""

import json
from datetime import UTC, datetime
from typing import Any

import stripe

from gateway.kernel.errors import GatewayError
from gateway.processor.types import StripeNews
from gateway.settings import settings

MAX_BODY = 256 * 1024
TOLERANCE_SECONDS = 300


class InvalidSignature(GatewayError):
    """The body does not carry a valid `Stripe-Signature`. Check STRIPE_WEBHOOK_SECRET."""

    status, code, title = 400, "invalid_signature", "The signature is not Stripe's."


class InvalidStripeEvent(GatewayError):
    """The signature is valid, the body is no event of Stripe's v1 API."""

    status, code, title = 400, "invalid_stripe_event", "The body is not a Stripe event."


def verify(raw: bytes, header: str) -> StripeNews:
    """Raises `InvalidSignature` or `InvalidStripeEvent`, and nothing else."""
    try:
        text = raw.decode("utf-8")
        header.encode("ascii")
    except UnicodeError:
        raise InvalidSignature("The body is not UTF-8, or the header is not ASCII.") from None
    if not any(_signed(text, header, secret) for secret in settings().stripe_webhook_secrets):
        raise InvalidSignature("No configured secret made this signature in the last 5 minutes.")
    try:
        event = json.loads(text)
        return to_news(event, text)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise InvalidStripeEvent("Expected an object with id, type, livemode and data.") from None


def _signed(text: str, header: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(text, header, secret, TOLERANCE_SECONDS)
    except stripe.SignatureVerificationError:
        return False
    except (ValueError, TypeError):  # a timestamp of 5,000 digits, for one
        return False
    return True


def to_news(event: dict[str, Any], text: str) -> StripeNews:
    """Raises what a dictionary raises that is no event of Stripe's."""
    if event["object"] != "event":
        raise TypeError(event["object"])
    subject = event["data"]["object"]
    kind, object_id = subject["object"], _clean(subject.get("id"))
    metadata = subject.get("metadata") or {}
    intent = object_id if kind == "payment_intent" else _id(subject.get("payment_intent"))
    return StripeNews(
        id=_required(event["id"]),
        type=_required(event["type"]),
        livemode=bool(event["livemode"]),
        api_version=_clean(event.get("api_version")),
        object_id=object_id,
        session_id=object_id if kind == "checkout.session" else None,
        intent_id=intent,
        payment_id=_clean(metadata.get("payment_id") or subject.get("client_reference_id")),
        body=text,
        created_at=_when(event.get("created")),
    )


def _when(seconds: Any) -> datetime | None:
    """Stripe's times are whole seconds; anything else tells nothing."""
    sound = isinstance(seconds, int) and 0 <= seconds < 1 << 32
    return datetime.fromtimestamp(seconds, UTC) if sound else None


def _id(value: Any) -> str | None:
    """An expandable field: the id, or the object with it."""
    return _clean(value.get("id") if isinstance(value, dict) else value)


def _required(value: Any) -> str:
    text = _clean(value)
    if text is None:
        raise TypeError(value)
    return text


def _clean(value: Any) -> str | None:
    """The text if it can be one of Stripe's names or ids; anything else matches nothing."""
    sound = isinstance(value, str) and 1 <= len(value) <= 255
    return value if sound and value.isascii() and value.isprintable() else None
