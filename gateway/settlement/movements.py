"""Captures, refunds and disputes of a payment, as Stripe reports them. What was made in Stripe's
own dashboard becomes a row too.

Called by `apply` alone, which holds the payment: nobody else moves these rows, but for a refusal.
"""

from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.captures import service as captures
from gateway.captures.models import Capture, CaptureStatus
from gateway.disputes.models import Dispute, DisputeStatus
from gateway.kernel.db import Base, held
from gateway.payments.models import Payment, PaymentStatus, Resolution
from gateway.processor.types import Intent, StripeDispute, StripeRefund
from gateway.refunds import service as refunds
from gateway.refunds.models import Refund, RefundStatus
from gateway.settlement.compensate import DUPLICATE

S = PaymentStatus
Row = TypeVar("Row", bound=Base)

REFUND_FROM_STRIPE = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.CANCELLED,
}
DISPUTE_FROM_STRIPE = {
    "won": DisputeStatus.WON,
    "warning_closed": DisputeStatus.WON,  # an inquiry that never became a dispute
    "prevented": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}


def apply_capture(tx: Session, payment: Payment, intent: Intent) -> None:
    """Settled by what was received: Stripe has no capture of its own to show."""
    if payment.capture_method != "manual":
        return
    rows = _held(tx, Capture, payment)
    pending = next((row for row in rows if row.status == CaptureStatus.PENDING), None)
    received = intent.amount_received
    if pending is not None and received == pending.amount:
        pending.transition_to(CaptureStatus.SUCCEEDED, due_at=None, needs_attention=None)
    elif pending is not None and (received or intent.status == "canceled"):
        why = f"{received} was captured elsewhere." if received else "The money was let go."
        pending.transition_to(
            CaptureStatus.FAILED,
            due_at=None,
            needs_attention=None,
            failure_code=intent.status,
            failure_message=why,
        )
        tx.flush()
    if received and not any(row.status == CaptureStatus.SUCCEEDED for row in rows):
        elsewhere = captures.start(tx, payment, amount=received)
        elsewhere.transition_to(CaptureStatus.SUCCEEDED)


def apply_refunds(tx: Session, payment: Payment, reported: tuple[StripeRefund, ...]) -> None:
    rows = _held(tx, Refund, payment)
    for each in reported:
        row = _meant(rows, each)
        if row is None:
            row = refunds.start(
                tx,
                payment,
                amount=each.amount,
                currency=each.currency,
                reason=each.reason,
                stripe_refund_id=each.id,
            )
            rows.append(row)
        row.stripe_refund_id = each.id
        row.due_at = None  # Stripe has it: the rest is news
        _move_refund(payment, row, each)
    given = (RefundStatus.PENDING, RefundStatus.SUCCEEDED)
    if sum(row.amount for row in rows if row.status in given) >= payment.amount_captured:
        for row in rows:  # whatever failed was made good
            row.needs_attention = None


def _meant(rows: list[Refund], reported: StripeRefund) -> Refund | None:
    """By Stripe's id, or by ours if that row knows of no other refund at Stripe."""
    for row in rows:
        if row.stripe_refund_id == reported.id:
            return row
    ours = (row for row in rows if row.id == reported.refund_id and row.stripe_refund_id is None)
    return next(ours, None)


def _move_refund(payment: Payment, row: Refund, reported: StripeRefund) -> None:
    status = REFUND_FROM_STRIPE.get(reported.status, RefundStatus.PENDING)
    had = row.status == RefundStatus.SUCCEEDED
    if had and status == RefundStatus.CANCELLED:
        status = RefundStatus.FAILED
    if status == row.status or not row.can(status):
        return
    why = reported.failure_reason
    row.transition_to(
        status,
        failure_code=why,
        failure_message=_WORDS.get(why or "", why),
        needs_attention=None if status == RefundStatus.SUCCEEDED else lost(row),
    )
    if status == RefundStatus.SUCCEEDED:
        _refunded(payment, payment.amount_refunded + row.amount)
        if row.automatic and row.reason == DUPLICATE:
            payment.record("payment.duplicate_refunded")
    elif had:
        _refunded(payment, payment.amount_refunded - row.amount)


def lost(refund: Refund) -> str | None:
    """What a person must see when a refund has not given its money back: nobody else asked for
    those that the gateway makes by itself.
    """
    money = f"{refund.amount} {refund.currency}"
    return (
        f"The gateway's own refund of {money} failed; give it back." if refund.automatic else None
    )


# Stripe's codes for a bank that sends a refund back (docs.stripe.com/refunds, failed refunds).
_WORDS = {
    "lost_or_stolen_card": "The card was lost or stolen.",
    "expired_or_canceled_card": "The card has expired or was cancelled.",
    "charge_for_pending_refund_disputed": "The shopper disputed the charge meanwhile.",
    "insufficient_funds": "The Stripe balance did not suffice.",
    "declined": "The bank declined it.",
    "merchant_request": "It was taken back at Stripe.",
}


def _refunded(payment: Payment, amount: int) -> None:
    ends = payment.status == S.SUCCEEDED or (
        payment.status == S.REVIEW and payment.resolution == Resolution.REFUND
    )
    if ends and amount == payment.amount_captured:
        payment.transition_to(S.REFUNDED, amount_refunded=amount)
    elif payment.status == S.REFUNDED:
        payment.transition_to(S.SUCCEEDED, tells="payment.amount_refunded", amount_refunded=amount)
    else:
        payment.record("payment.amount_refunded", amount_refunded=amount)


def apply_disputes(tx: Session, payment: Payment, reported: tuple[StripeDispute, ...]) -> None:
    rows = {row.stripe_dispute_id: row for row in _held(tx, Dispute, payment)}
    for each in reported:
        row = rows.get(each.id) or Dispute.start(
            tx,
            merchant_id=payment.merchant_id,
            livemode=payment.livemode,
            payment_id=payment.id,
            amount=each.amount,
            currency=each.currency,
            reason=each.reason,
            respond_by=each.respond_by,
            stripe_dispute_id=each.id,
        )
        status = DISPUTE_FROM_STRIPE.get(each.status, DisputeStatus.OPEN)
        if row.can(status):
            row.transition_to(status)


def is_unsettled(intent: Intent) -> bool:
    """Whether a refund is on its way."""
    return any(
        REFUND_FROM_STRIPE.get(each.status) == RefundStatus.PENDING for each in intent.refunds
    )


def is_disputed(intent: Intent) -> bool:
    """Whether a dispute is open."""
    return any(each.status not in DISPUTE_FROM_STRIPE for each in intent.disputes)


def _held(tx: Session, model: type[Row], payment: Payment) -> list[Row]:
    table: Any = model
    rows = select(model).where(table.payment_id == payment.id).order_by(table.id)
    return list(tx.scalars(held(rows)))
