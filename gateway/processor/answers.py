"""Reads Stripe's objects into our frozen values. Asks nothing, decides nothing."""

from datetime import UTC, datetime
from typing import Any

import stripe

from gateway.processor.types import (
    CheckoutSession,
    Failure,
    Intent,
    StripeDispute,
    StripeMovement,
    StripeRefund,
)


def to_session(found: stripe.checkout.Session) -> CheckoutSession:
    intent = found.payment_intent
    return CheckoutSession(
        id=found.id,
        status=str(found.status),
        url=found.url,
        payment_id=found.client_reference_id,
        amount_total=found.amount_total or 0,
        currency=(found.currency or "").upper(),
        livemode=found.livemode,
        intent=to_intent(intent) if isinstance(intent, stripe.PaymentIntent) else None,
    )


def to_intent(found: stripe.PaymentIntent) -> Intent:
    latest = getattr(found, "latest_charge", None)
    charge = latest if isinstance(latest, stripe.Charge) else None  # only when it was expanded
    error = found.last_payment_error
    failure = None
    if error is not None:
        code = getattr(error, "decline_code", None) or getattr(error, "code", None)
        failure = Failure(
            code=str(code or "declined"),
            message=str(getattr(error, "message", None) or "The payment was declined."),
            charge_id=getattr(error, "charge", None),
        )
    return Intent(
        id=found.id,
        status=str(found.status),
        amount=found.amount,
        amount_received=found.amount_received,
        currency=found.currency.upper(),
        livemode=found.livemode,
        failure=failure,
        cancellation_reason=getattr(found, "cancellation_reason", None),
        refunds=_refunds(charge),
        payment_id=_metadata(found).get("payment_id"),
        given_back=charge.amount_refunded if charge is not None else 0,
        is_partial=charge is not None and _is_partial(charge),
    )


def _is_partial(charge: stripe.Charge) -> bool:
    listed = getattr(charge, "refunds", None)
    return charge.disputed or (listed is None or listed.has_more)


def _metadata(found: Any) -> dict[str, str]:
    metadata = getattr(found, "metadata", None)
    return metadata.to_dict() if metadata else {}


def _refunds(charge: stripe.Charge | None) -> tuple[StripeRefund, ...]:
    listed = getattr(charge, "refunds", None)
    return tuple(to_refund(each) for each in reversed(listed.data)) if listed else ()


def to_refund(found: stripe.Refund) -> StripeRefund:
    return StripeRefund(
        id=found.id,
        status=str(found.status),
        amount=found.amount,
        currency=found.currency.upper(),
        reason=found.reason,
        failure_reason=getattr(found, "failure_reason", None),
        refund_id=_metadata(found).get("refund_id"),
        intent_id=_id(getattr(found, "payment_intent", None)),
    )


def _id(value: Any) -> str | None:
    """An expandable field: the id, or the object with it."""
    return value if value is None or isinstance(value, str) else str(value.id)


def to_dispute(found: stripe.Dispute) -> StripeDispute:
    due_by = found.evidence_details.due_by if found.evidence_details else None
    return StripeDispute(
        id=found.id,
        status=str(found.status),
        amount=found.amount,
        currency=found.currency.upper(),
        reason=found.reason,
        respond_by=datetime.fromtimestamp(due_by, UTC) if due_by else None,
        intent_id=_id(getattr(found, "payment_intent", None)),
    )


def to_movement(found: stripe.BalanceTransaction) -> StripeMovement:
    """The source must have been asked for along with it."""
    source: Any = found.source
    of = getattr(source, "object", None)
    known = of in ("charge", "refund", "dispute")
    return StripeMovement(
        id=found.id,
        type=str(found.type),
        created_at=datetime.fromtimestamp(found.created, UTC),
        amount=found.amount,
        fee=found.fee,
        currency=found.currency.upper(),
        of=of if known else None,
        intent_id=_id(source.payment_intent) if known else None,
        payment_id=_metadata(source).get("payment_id") if known else None,
        source_id=_id(source),
        source_amount=_captured(source) if known else 0,
        source_currency=source.currency.upper() if known else "",
        given_back=source.amount_refunded if of == "charge" else 0,
    )


def _captured(source: Any) -> int:
    """Of a charge what was taken, of the others the whole."""
    return int(source.amount_captured if source.object == "charge" else source.amount)
