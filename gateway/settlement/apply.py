"""Bring payment and order to where Stripe says they are. Stale or repeated news changes nothing.

Webhook, poll, reconciliation and the answer of our own call all end in `apply`. A lease that was
lost meanwhile writes nothing: whoever has it now asks again.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.kernel.db import lock, now
from gateway.kernel.due import Claim, is_ours, postpone, settle
from gateway.orders.models import Order, OrderStatus
from gateway.payments import service as payments
from gateway.payments.models import LIVE, Payment, PaymentStatus
from gateway.processor.types import CheckoutSession, Failure, NotThere, Refused, Replayed
from gateway.settings import settings

S = PaymentStatus
ENDED_UNPAID = (S.FAILED, S.EXPIRED, S.CANCELLED)
# Money is under way, or the shopper may still pay: look again even if no webhook comes.
POLLED = (S.REQUIRES_ACTION, S.PROCESSING)
DUPLICATE = "The order was paid or cancelled before: this payment must be refunded by hand."


def apply(tx: Session, claimed: Claim[Payment], session: CheckoutSession) -> bool:
    """Write down Stripe's answer and settle the claim. False if the claim was lost."""
    order, payment = _hold(tx, claimed)
    if not is_ours(payment, claimed):
        return False
    payment.stripe_session_id = session.id
    payment.checked_at = now(tx)
    if session.intent is not None:
        payment.stripe_intent_id = session.intent.id
    status = payments.verdict(session)
    wrong = payments.mismatch(payment, session)
    moves = wrong is None and payment.can(status) and payment.status != S.REVIEW
    polled = (status if moves else payment.status) in POLLED and wrong is None
    # Settled before the row moves, so that the event shows when Stripe is asked next.
    settle(
        tx,
        payment,
        claimed,
        due_in=settings().poll_seconds if polled else None,
        attention=wrong or _kept(payment),
    )
    before, declined = payment.status, False
    if wrong is not None and payment.can(S.REVIEW):
        payment.transition_to(S.REVIEW, checkout_url=None)
    elif moves:
        payment.transition_to(status, **_changes(status, session))
        _order_after(tx, order, payment)
    elif status == S.REQUIRES_ACTION == payment.status and session.intent is not None:
        declined = _decline(payment, session.intent.failure)
    if payment.status != before or declined or claimed.attempts > 1:
        payments.note_call(tx, claimed, "declined" if declined else payment.status, wrong)
    return True


def _kept(payment: Payment) -> str | None:
    """What only a person can settle stays, however often Stripe is asked in the meantime."""
    by_rule = payment.status == S.REVIEW or payment.needs_attention == DUPLICATE
    return payment.needs_attention if by_rule else None


def refuse(tx: Session, claimed: Claim[Payment], error: Refused) -> bool:
    """Stripe will not have this session, which proves that nobody can pay it."""
    order, payment = _hold(tx, claimed)
    if not is_ours(payment, claimed):
        return False
    payment.checked_at = now(tx)
    settle(tx, payment, claimed, due_in=None)
    payment.transition_to(S.FAILED, failure_code=error.code, failure_message=error.message)
    _order_after(tx, order, payment)
    payments.note_call(tx, claimed, "refused", error.message)
    return True


def unanswered(tx: Session, claimed: Claim[Payment], error: Exception, *, attention: bool) -> bool:
    """Unknown is never failed: the same question again, later."""
    payment = lock(tx, Payment, claimed.row.id)
    if not is_ours(payment, claimed):
        return False
    if isinstance(error, Replayed):
        payment.session_look_first = True
    if isinstance(error, NotThere):
        payments.next_session_attempt(tx, payment)
    payments.note_call(tx, claimed, "unanswered", str(error))
    postpone(tx, payment, claimed, why=str(error), attention=attention)
    return True


def _hold(tx: Session, claimed: Claim[Payment]) -> tuple[Order, Payment]:
    order = lock(tx, Order, claimed.row.order_id)
    return order, lock(tx, Payment, claimed.row.id)


def _changes(status: PaymentStatus, session: CheckoutSession) -> dict[str, Any]:
    changes: dict[str, Any] = {"checkout_url": session.url if status == S.REQUIRES_ACTION else None}
    if status == S.SUCCEEDED:
        received = session.intent.amount_received if session.intent else 0
        changes |= {
            "amount_captured": received,
            "failure_code": None,
            "failure_message": None,
            "cancel_requested_at": None,
        }
    elif status == S.FAILED and session.intent is not None and session.intent.failure is not None:
        failure = session.intent.failure
        changes |= {"failure_code": failure.code, "failure_message": failure.message}
    return changes


def _decline(payment: Payment, failure: Failure | None) -> bool:
    """True if it is new: told once. The session stays open; the shopper may try another card.

    A failed authentication has no charge of its own, so the words are compared as well.
    """
    told = (payment.failure_code, payment.failure_message, payment.stripe_failed_charge_id)
    if failure is None or (failure.code, failure.message, failure.charge_id) == told:
        return False
    payment.record(
        "payment.attempt_declined",
        failure_code=failure.code,
        failure_message=failure.message,
        stripe_failed_charge_id=failure.charge_id,
    )
    return True


def _order_after(tx: Session, order: Order, payment: Payment) -> None:
    if payment.status == S.SUCCEEDED:
        if not order.can(OrderStatus.PAYMENT_DONE):
            payment.needs_attention = DUPLICATE
            return
        order.transition_to(OrderStatus.PAYMENT_DONE)
        if order.items:
            order.transition_to(OrderStatus.PACKAGING)
    elif payment.status in ENDED_UNPAID and order.status == OrderStatus.PAYMENT_IN_PROGRESS:
        others = select(Payment.id).where(
            Payment.order_id == order.id,
            Payment.id != payment.id,
            Payment.status.in_((*LIVE, S.REVIEW)),
        )
        if tx.scalar(others.limit(1)) is None:
            wished = order.cancel_requested_at is not None
            order.transition_to(OrderStatus.CANCELLED if wished else OrderStatus.PAYMENT_FAILED)
