"""Bring payment and order to where Stripe says they are. Stale or repeated news changes nothing.

Webhook, poll, reconciliation and the answer of our own call all end in `apply`. A lease that was
lost meanwhile writes nothing: whoever has it now asks again.
"""

from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.db import now
from gateway.kernel.due import Claim, is_ours, postpone, settle
from gateway.orders.models import Order
from gateway.payments import service as payments
from gateway.payments.models import Payment, PaymentStatus, Resolution
from gateway.processor.types import CheckoutSession, Failure, NotThere, Refused, Replayed
from gateway.settlement import compensate, decide, movements, refunding
from gateway.settlement.decide import Look
from gateway.settlement.holding import family

S = PaymentStatus
# The shopper has done her part: what was to take the payment's place comes too late.
PAID = (S.PROCESSING, S.AUTHORIZED, S.SUCCEEDED)


def apply(tx: Session, claimed: Claim[Payment], session: CheckoutSession) -> bool:
    """Write down Stripe's answer and settle the claim. False if the claim was lost."""
    order, payment, every = family(tx, claimed.row.id, order_id=claimed.row.order_id)
    if not is_ours(payment, claimed):
        return False
    before = payment.status
    wrong = payments.mismatch(payment, session)
    said = payments.verdict(session)
    status = decide.target(payment, said, wrong)
    # Settled before the row moves, so that the event shows when Stripe is asked next.
    _look_again(tx, payment, claimed, decide.next_look(tx, payment, session, said))
    _learn(tx, payment, session)
    if status in PAID and payment.cancel_requested_at is not None:
        _lapse(tx, payment, every)
    if status is not None:
        payment.transition_to(status, **_changes(payment, status, session, wrong))
    _money_back(tx, order, payment, session)
    if status == S.SUCCEEDED:
        compensate.after_success(tx, order, payment, every)
    told = _rest(tx, payment, session, wrong)
    payment.needs_attention = decide.attention(payment, said, wrong)
    if payment.status != before or told or claimed.attempts > 1:
        outcome = "declined" if told else payment.status
        payments.note_call(tx, claimed, payment.id, outcome, payment.needs_attention)
    if payment.status != before:
        compensate.after_end(tx, order, every)
        compensate.hand_over(tx, order)
    return True


def _look_again(tx: Session, payment: Payment, claimed: Claim[Payment], look: Look | None) -> None:
    """News that came meanwhile stay due, and no poll."""
    if payment.due_at == claimed.due_at:
        payment.polled = look is not None and look.is_poll
    settle(tx, payment, claimed, due_in=None if look is None else look.seconds)


def _learn(tx: Session, payment: Payment, session: CheckoutSession) -> None:
    payment.stripe_session_id = session.id
    payment.checked_at = now(tx)
    if session.intent is not None:
        payment.stripe_intent_id = session.intent.id


def _lapse(tx: Session, payment: Payment, every: list[Payment]) -> None:
    """What was to take this payment's place is cancelled, and this one goes on."""
    waiting = [each for each in every if each.is_unasked and each is not payment]
    for each in waiting:
        payments.let_go(tx, each)
    if waiting:
        tx.flush()  # the place of the order's one live payment is free
        payment.cancel_requested_at = None


def _changes(
    payment: Payment,
    status: PaymentStatus,
    session: CheckoutSession,
    wrong: dict[str, Any] | None,
) -> dict[str, Any]:
    wished = payment.cancel_requested_at is not None
    shown = session.url if status == S.REQUIRES_ACTION and not wished else None
    changes: dict[str, Any] = {"checkout_url": shown}
    received = session.intent.amount_received if session.intent else 0
    if status == S.SUCCEEDED:
        changes |= {
            "amount_captured": received,
            "failure_code": None,
            "failure_message": None,
            "cancel_requested_at": None,
            "resolution": None,
        }
    elif status == S.REVIEW:
        changes |= {"amount_captured": received, "reported": wrong, "resolution": None}
    elif status == S.FAILED and session.intent is not None and session.intent.failure is not None:
        failure = session.intent.failure
        changes |= {"failure_code": failure.code, "failure_message": failure.message}
    return changes


def _money_back(tx: Session, order: Order, payment: Payment, session: CheckoutSession) -> None:
    """Refunds come before anything that asks how much of the money is left."""
    if payment.status == S.REVIEW and session.intent is not None:
        payment.amount_captured = session.intent.amount_received
        if payment.resolution == Resolution.REFUND:
            compensate.give_back(tx, payment, compensate.REVIEWED)
    if payment.status in (S.SUCCEEDED, S.REFUNDED, S.REVIEW) and session.intent is not None:
        refunding.apply_refunds(tx, order, payment, session.intent.refunds)


def _rest(
    tx: Session, payment: Payment, session: CheckoutSession, wrong: dict[str, Any] | None
) -> bool:
    """What Stripe reports besides; True if the shopper was declined once more."""
    if payment.status == S.REVIEW and wrong is not None and wrong != payment.reported:
        payment.reported = wrong  # what was decided was about other figures
        payment.resolution = None if payment.resolution == Resolution.ACCEPT else payment.resolution
    intent = session.intent
    if intent is None:
        return False
    movements.apply_capture(tx, payment, intent)
    if payment.status in (S.SUCCEEDED, S.REFUNDED, S.REVIEW):
        movements.apply_disputes(tx, payment, intent.disputes)
    if payment.status != S.REQUIRES_ACTION or session.status != "open":
        return False
    return _decline(payment, intent.failure)


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


def refuse(tx: Session, claimed: Claim[Payment], error: Refused) -> bool:
    """Stripe will not have this session, which proves that nobody can pay it."""
    order, payment, every = family(tx, claimed.row.id, order_id=claimed.row.order_id)
    if not is_ours(payment, claimed):
        return False
    payment.checked_at = now(tx)
    settle(tx, payment, claimed, due_in=None)
    payment.transition_to(S.FAILED, failure_code=error.code, failure_message=error.message)
    compensate.after_end(tx, order, every)
    payments.note_call(tx, claimed, payment.id, "refused", error.message)
    return True


def unanswered(tx: Session, claimed: Claim[Payment], error: Exception, *, attention: bool) -> bool:
    """Unknown is never failed: the same question again, later."""
    order, payment, every = family(tx, claimed.row.id, order_id=claimed.row.order_id)
    if not is_ours(payment, claimed):
        return False
    payments.note_call(tx, claimed, payment.id, "unanswered", str(error))
    if isinstance(error, NotThere) and payment.cancel_requested_at is not None:
        settle(tx, payment, claimed, due_in=None)
        payment.transition_to(S.CANCELLED, due_at=None)
        compensate.after_end(tx, order, every)
        return True
    if isinstance(error, Replayed):
        payment.look_first = True
    if isinstance(error, NotThere):
        payment.ask_anew(tx)
    postpone(tx, payment, claimed, why=str(error), attention=attention)
    return True
