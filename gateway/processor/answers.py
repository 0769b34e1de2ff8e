"""Reads Stripe's objects into our frozen values. Asks nothing, decides nothing."""

from datetime import UTC, datetime

import stripe

from gateway.processor.types import (
    CheckoutSession,
    Failure,
    Intent,
    StripeDispute,
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
        refunds=_refunds(getattr(found, "latest_charge", None)),
    )


def _refunds(charge: str | stripe.Charge | None) -> tuple[StripeRefund, ...]:
    listed = getattr(charge, "refunds", None)  # the charge itself only when it was expanded
    return tuple(to_refund(each) for each in reversed(listed.data)) if listed else ()


def to_refund(found: stripe.Refund) -> StripeRefund:
    metadata = found.metadata.to_dict() if found.metadata else {}
    return StripeRefund(
        id=found.id,
        status=str(found.status),
        amount=found.amount,
        currency=found.currency.upper(),
        reason=found.reason,
        failure_reason=getattr(found, "failure_reason", None),
        refund_id=metadata.get("refund_id"),
    )


def to_dispute(found: stripe.Dispute) -> StripeDispute:
    due_by = found.evidence_details.due_by if found.evidence_details else None
    return StripeDispute(
        id=found.id,
        status=str(found.status),
        amount=found.amount,
        currency=found.currency.upper(),
        reason=found.reason,
        respond_by=datetime.fromtimestamp(due_by, UTC) if due_by else None,
    )
