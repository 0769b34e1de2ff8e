"""Captures and disputes of a payment, as Stripe reports them. What was made in Stripe's own
dashboard becomes a row too.

Called by `apply` alone, which holds the payment: nobody else moves these rows, but for a refusal.
"""

from sqlalchemy.orm import Session

from gateway.captures import service as captures
from gateway.captures.models import Capture, CaptureStatus
from gateway.disputes.models import Dispute, DisputeStatus
from gateway.payments.models import Payment
from gateway.processor.types import Intent, StripeDispute
from gateway.settlement.holding import rows_of

STILL_HELD = ("requires_capture", "processing")
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
    rows = rows_of(tx, Capture, payment)
    pending = next((row for row in rows if row.status == CaptureStatus.PENDING), None)
    received = intent.amount_received
    if pending is not None and received == pending.amount:
        pending.transition_to(CaptureStatus.SUCCEEDED, due_at=None, needs_attention=None)
    elif pending is not None and (received or intent.status not in STILL_HELD):
        code = "captured_elsewhere" if received else "authorization_released"
        words = f"{received} {intent.currency} were captured elsewhere."
        pending.transition_to(
            CaptureStatus.FAILED,
            due_at=None,
            needs_attention=None,
            failure_code=code,
            failure_message=words if received else "The money is not held any more.",
        )
        tx.flush()
    if received and not any(row.status == CaptureStatus.SUCCEEDED for row in rows):
        elsewhere = captures.start(tx, payment, amount=received)
        elsewhere.transition_to(CaptureStatus.SUCCEEDED)


def apply_disputes(tx: Session, payment: Payment, reported: tuple[StripeDispute, ...]) -> None:
    rows = {row.stripe_dispute_id: row for row in rows_of(tx, Dispute, payment)}
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
        if row.respond_by != each.respond_by and each.respond_by is not None:
            row.record("dispute.updated", respond_by=each.respond_by)
        status = DISPUTE_FROM_STRIPE.get(each.status, DisputeStatus.OPEN)
        if row.can(status):
            row.transition_to(status)


def is_disputed(intent: Intent) -> bool:
    """Whether a dispute is open."""
    return any(each.status not in DISPUTE_FROM_STRIPE for each in intent.disputes)
