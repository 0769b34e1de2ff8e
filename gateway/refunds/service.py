"""Ask for money to be given back. What comes of it is Stripe's news, which settlement applies.

Every function runs inside the caller's transaction and never talks to the network.
"""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.kernel.db import now
from gateway.kernel.errors import Conflict, Invalid
from gateway.kernel.http import Caller
from gateway.kernel.money import inexact
from gateway.kernel.pages import Page, page
from gateway.payments import service as payments
from gateway.payments.models import Payment, PaymentStatus
from gateway.refunds.models import Refund, RefundStatus

S = PaymentStatus


class PaymentNotRefundable(Conflict):
    """Only money that was captured can be given back."""

    code, title = "payment_not_refundable", "The payment has nothing to give back."


class RefundExceedsCaptured(Conflict):
    """Refunds, those still pending included, never come to more than was captured."""

    code, title = "refund_exceeds_captured", "The amount is more than is left."


def create(
    tx: Session, caller: Caller, payment_id: str, *, amount: int | None, reason: str | None
) -> Refund:
    """A pending refund of `amount`, or of all that is left; due now."""
    payment = payments.hold(tx, caller, payment_id)
    if payment.status not in (S.SUCCEEDED, S.REFUNDED):
        instead = {S.AUTHORIZED: " Cancel it instead.", S.REVIEW: " An operator has to decide."}
        raise PaymentNotRefundable(
            f"Payment {payment.id} is {payment.status}; only a succeeded payment can be refunded."
            + instead.get(S(payment.status), "")
        )
    left = unrefunded(tx, payment)
    if left == 0 or (amount is not None and amount > left):
        raise RefundExceedsCaptured(
            f"{f'Sent {amount}; ' if amount else ''}{left} of {payment.amount_captured}"
            f" {payment.received_in} captured are left to refund, pending refunds counted; payment"
            f" {payment.id} is {payment.status}. Its refunds say where the rest went."
        )
    if amount is not None and (why := inexact(amount, payment.received_in)):
        raise Invalid.param("amount", why)
    return start(tx, payment, amount=amount or left, reason=reason, due_at=now(tx))


def start(tx: Session, payment: Payment, **fields: Any) -> Refund:
    return Refund.start(
        tx,
        **{
            "merchant_id": payment.merchant_id,
            "livemode": payment.livemode,
            "payment_id": payment.id,
            "currency": payment.received_in,
        }
        | fields,
    )


def unrefunded(tx: Session, payment: Payment) -> int:
    """What is left of the captured amount when every refund that may succeed has."""
    taken = select(func.coalesce(func.sum(Refund.amount), 0)).where(
        Refund.payment_id == payment.id,
        Refund.status.in_((RefundStatus.PENDING, RefundStatus.SUCCEEDED)),
    )
    return max(0, payment.amount_captured - int(tx.scalar(taken) or 0))


def listed(tx: Session, caller: Caller, payment_id: str, query: dict[str, Any]) -> Page:
    payment = payments.get(tx, caller, payment_id)
    return page(tx, select(Refund).where(Refund.payment_id == payment.id), Refund, **query)
