"""Refunds of a payment, as Stripe reports them, and the sum of those that have succeeded. What was
made in Stripe's own dashboard becomes a row too.

Called by `apply` alone, which holds the payment: nobody else moves these rows, but for a refusal.
"""

from sqlalchemy.orm import Session

from gateway.orders.models import Order
from gateway.payments.models import Payment, PaymentStatus, Resolution
from gateway.processor.types import StripeRefund
from gateway.refunds import service as refunds
from gateway.refunds.models import Refund, RefundStatus
from gateway.settlement.compensate import DUPLICATE
from gateway.settlement.holding import rows_of

S = PaymentStatus

REFUND_FROM_STRIPE = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.CANCELLED,
}
# Stripe's codes for a bank that sends a refund back (docs.stripe.com/refunds, failed refunds).
WORDS = {
    "unknown": "The bank gave no reason.",
    "lost_or_stolen_card": "The card was lost or stolen.",
    "expired_or_canceled_card": "The card has expired or was cancelled.",
    "charge_for_pending_refund_disputed": "The shopper disputed the charge meanwhile.",
    "insufficient_funds": "The Stripe balance did not suffice.",
    "declined": "The bank declined it.",
    "merchant_request": "It was taken back at Stripe.",
}


def apply_refunds(
    tx: Session, order: Order, payment: Payment, reported: tuple[StripeRefund, ...]
) -> None:
    rows = rows_of(tx, Refund, payment)
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
        _move_refund(tx, order, payment, row, each)
    if 0 < payment.amount_captured == payment.amount_refunded:
        _all_is_back(payment, rows)


def _meant(rows: list[Refund], reported: StripeRefund) -> Refund | None:
    """By Stripe's id, or by ours if that row still waits to hear of its refund."""
    for row in rows:
        if row.stripe_refund_id == reported.id:
            return row
    waits = [each for each in rows if each.status == RefundStatus.PENDING]
    ours = (row for row in waits if row.id == reported.refund_id and row.stripe_refund_id is None)
    return next(ours, None)


def _move_refund(
    tx: Session, order: Order, payment: Payment, row: Refund, reported: StripeRefund
) -> None:
    status = REFUND_FROM_STRIPE.get(reported.status, RefundStatus.PENDING)
    had = row.status == RefundStatus.SUCCEEDED
    if had and status == RefundStatus.CANCELLED:
        status = RefundStatus.FAILED
    if status == row.status or not row.can(status):
        return
    code = reported.failure_reason
    row.transition_to(status, failure_code=code, failure_message=WORDS.get(code or "", code))
    if status == RefundStatus.SUCCEEDED:
        _refunded(payment, payment.amount_refunded + row.amount)
        if row.automatic and row.reason == DUPLICATE:
            payment.record("payment.duplicate_refunded")
        return
    show_failure(tx, order, payment, row)
    if had:
        _refunded(payment, payment.amount_refunded - row.amount)


def _refunded(payment: Payment, amount: int) -> None:
    if payment.status == S.REFUNDED:
        payment.transition_to(S.SUCCEEDED, tells="payment.amount_refunded", amount_refunded=amount)
    elif amount == payment.amount_captured and _may_end(payment):
        payment.transition_to(S.REFUNDED, amount_refunded=amount)
    else:
        payment.record("payment.amount_refunded", amount_refunded=amount)


def _may_end(payment: Payment) -> bool:
    """Under review only if that was decided."""
    rejected = payment.status == S.REVIEW and payment.resolution == Resolution.REFUND
    return payment.status == S.SUCCEEDED or rejected


def _all_is_back(payment: Payment, rows: list[Refund]) -> None:
    """Whatever had failed was made good; and what was decided on meanwhile has come true."""
    for row in rows:
        if row.status in (RefundStatus.FAILED, RefundStatus.CANCELLED):
            row.needs_attention = None
    if _may_end(payment):
        payment.transition_to(S.REFUNDED)


def show_failure(tx: Session, order: Order, payment: Payment, refund: Refund) -> None:
    """A person must see money that no order is given for and that did not go back: once, at the
    last refund that failed. A merchant who refunds a sale hears of it, and decides.
    """
    if order.is_given_for(payment.id) and not refund.automatic:
        return
    for row in rows_of(tx, Refund, payment):
        row.needs_attention = None
    money, why = f"{refund.amount} {refund.currency}", refund.failure_message or refund.failure_code
    if refund.failure_code == "charge_disputed":
        todo = "The shopper's bank asks for it already: see the payment's disputes."
    else:
        todo = "Refund it again, or pay it back in another way."
    refund.needs_attention = (
        f"The refund of {money} of payment {payment.id} failed ({why or 'no reason given'}), and"
        f" no order is given for it. {todo}"
    )


def is_unsettled(reported: StripeRefund) -> bool:
    return REFUND_FROM_STRIPE.get(reported.status) == RefundStatus.PENDING
