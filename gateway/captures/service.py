"""Ask for money that is held. What comes of it is Stripe's news, which settlement applies.

Every function runs inside the caller's transaction and never talks to the network.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.captures.models import Capture, CaptureStatus
from gateway.kernel.db import now
from gateway.kernel.errors import Conflict, Invalid
from gateway.kernel.http import Caller
from gateway.kernel.money import inexact
from gateway.kernel.pages import Page, page
from gateway.payments import service as payments
from gateway.payments.models import Payment, PaymentStatus

S = PaymentStatus


class PaymentNotCapturable(Conflict):
    """Only an authorised payment that nobody is cancelling can be captured, and only once."""

    code, title = "payment_not_capturable", "The payment cannot be captured."


class CapturePending(Conflict):
    """A capture is under way. Read it until it has succeeded or failed."""

    code, title = "capture_pending", "A capture is under way."


class CaptureExceedsAuthorized(Conflict):
    """No more can be captured than the shopper has authorised."""

    code, title = "capture_exceeds_authorized", "The amount is more than is held."


def create(tx: Session, caller: Caller, payment_id: str, *, amount: int | None) -> Capture:
    """A pending capture of `amount`, or of all that is held; due now."""
    payment = payments.hold(tx, caller, payment_id)
    _check(tx, payment, amount)
    return start(tx, payment, amount=amount or payment.amount, due_at=now(tx))


def start(tx: Session, payment: Payment, **fields: Any) -> Capture:
    return Capture.start(
        tx,
        merchant_id=payment.merchant_id,
        livemode=payment.livemode,
        payment_id=payment.id,
        currency=payment.currency,
        **fields,
    )


def _check(tx: Session, payment: Payment, amount: int | None) -> None:
    under_way = pending(tx, payment.id)
    if under_way is not None:
        raise CapturePending(
            f"Capture {under_way.id} is pending; payment {payment.id} is {payment.status}. Wait"
            " until the capture has succeeded or failed."
        )
    if payment.status != S.AUTHORIZED:
        if payment.amount_captured:
            why = f"{payment.amount_captured} {payment.received_in} were captured already"
        else:
            why = (
                "make one with capture_method manual, and wait until the shopper has authorised it"
            )
        raise PaymentNotCapturable(
            f"Payment {payment.id} is {payment.status}; only an authorized one can be captured:"
            f" {why}."
        )
    if payment.cancel_requested_at is not None:
        raise PaymentNotCapturable(
            f"Payment {payment.id} is authorized, but its cancellation was asked for. Make another"
            " payment."
        )
    if amount is not None and amount > payment.amount:
        raise CaptureExceedsAuthorized(
            f"Sent {amount}; {payment.amount} {payment.currency} are authorized on payment"
            f" {payment.id}. Capture that much or less."
        )
    fault = inexact(amount, payment.currency) if amount is not None else None
    if fault is not None:
        raise Invalid.param("amount", fault)


def pending(tx: Session, payment_id: str) -> Capture | None:
    mine = select(Capture).where(Capture.payment_id == payment_id)
    return tx.scalar(mine.where(Capture.status == CaptureStatus.PENDING))


def listed(tx: Session, caller: Caller, payment_id: str, query: dict[str, Any]) -> Page:
    payment = payments.get(tx, caller, payment_id)
    return page(tx, select(Capture).where(Capture.payment_id == payment.id), Capture, **query)
