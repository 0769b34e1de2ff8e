"""Stripe's answers beside our rows: what is equal is ticked off, what is not is believed where
Stripe is ahead, by the same `apply` as all news, and written down.

Runs inside the caller's transaction. Money that is none of ours is written down, never touched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gateway.disputes.models import Dispute
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import held, now
from gateway.kernel.due import claim
from gateway.payments import service as payments
from gateway.payments.models import ENDED, Payment, PaymentStatus
from gateway.processor.types import CheckoutSession, Refused, StripeDispute
from gateway.reconciliation import discrepancies, service, subjects
from gateway.reconciliation.compare import HAS_MONEY, Difference, differences, is_partial
from gateway.reconciliation.models import Discrepancy, DiscrepancyStatus, Kind, RunSubject
from gateway.reconciliation.service import Place
from gateway.refunds.models import Refund
from gateway.settlement import apply as settlement
from gateway.settlement import decide
from gateway.settlement.holding import family
from gateway.settlement.refunding import REFUND_FROM_STRIPE
from gateway.settlement.requests import is_late, is_unwanted
from gateway.stripe_events import service as stripe_events

S = PaymentStatus


class Sorted(NamedTuple):
    """A page of sessions. `equal` payments need nothing more, of `news` each is to be believed,
    and `strangers` are about no payment of ours, or about one that has another session.
    """

    equal: list[str]
    news: list[tuple[str, CheckoutSession]]
    strangers: list[tuple[Payment | None, CheckoutSession]]


def sort_out(tx: Session, sessions: Iterable[CheckoutSession]) -> Sorted:
    page = list(sessions)
    ours = _payments_of(tx, page)
    refunds = _refunds_of(tx, ours.values())
    brought_up = _brought_up(tx, ours.values())
    found = Sorted([], [], [])
    for session in page:
        payment = ours.get(session.id) or ours.get(session.payment_id or "")
        if payment is None or payment.stripe_session_id not in (None, session.id):
            found.strangers.append((payment, session))
        elif payment.id in brought_up or _is_news(payment, session, refunds):
            found.news.append((payment.id, session))
        else:
            found.equal.append(payment.id)
    return found


def _payments_of(tx: Session, page: list[CheckoutSession]) -> dict[str, Payment]:
    """By the id of their session, and by their own."""
    sessions = [each.id for each in page]
    named = [each.payment_id for each in page if each.payment_id is not None]
    meant = or_(Payment.stripe_session_id.in_(sessions), Payment.id.in_(named))
    rows = list(tx.scalars(select(Payment).where(meant)))
    by_session = {row.stripe_session_id: row for row in rows if row.stripe_session_id in sessions}
    return {row.id: row for row in rows} | {id: row for id, row in by_session.items() if id}


def _refunds_of(tx: Session, rows: Iterable[Payment]) -> dict[str | None, str]:
    """Their status, by Stripe's id."""
    ids = {row.id for row in rows if row.status in HAS_MONEY}
    mine = select(Refund.stripe_refund_id, Refund.status).where(Refund.payment_id.in_(ids))
    return dict(tx.execute(mine).all()) if ids else {}


def _brought_up(tx: Session, rows: Iterable[Payment]) -> set[str | None]:
    """Of which a row is open, or was resolved: that both sides agree again is worth a row too."""
    ids = {row.id for row in rows}
    mine = select(Discrepancy.payment_id).where(
        Discrepancy.status != DiscrepancyStatus.FIXED, Discrepancy.payment_id.in_(ids)
    )
    return set(tx.scalars(mine))


def _is_news(payment: Payment, session: CheckoutSession, refunds: Mapping[str | None, str]) -> bool:
    """Whether to believe it would change anything. In doubt yes: that costs time only."""
    intent = session.intent
    if payment.stripe_session_id is None or is_partial(session):
        return True
    if differences(payment, session, {}):
        return True
    if intent is None:
        return False
    told = (payment.failure_code, payment.failure_message, payment.stripe_failed_charge_id)
    failure = intent.failure
    declined = session.status == "open" and failure is not None
    if declined and failure is not None:
        declined = (failure.code, failure.message, failure.charge_id) != told
    moved = any(REFUND_FROM_STRIPE.get(r.status) != refunds.get(r.id) for r in intent.refunds)
    return payment.stripe_intent_id != intent.id or declined or moved


def tick_off(tx: Session, at: Place, equal: list[str]) -> None:
    """Stripe has answered about these, and there was nothing new."""
    if not equal:
        return
    subjects.answered(tx, at.run, RunSubject.payment_id.in_(equal))
    if at.dry:
        return
    unheard = or_(Payment.checked_at.is_(None), Payment.checked_at < at.at)
    rows = held(select(Payment).where(Payment.id.in_(equal), unheard).order_by(Payment.id))
    for payment in tx.scalars(rows):
        payment.checked_at = at.at
        if payment.polled and payment.status in decide.POLLED:
            _poll_later(tx, payment)


def _poll_later(tx: Session, payment: Payment) -> None:
    """A poll right after this would tell nothing new."""
    wait = decide.poll_seconds(payment, at=now(tx))
    payment.due_at = now(tx) + timedelta(seconds=wait)
    if payment.expire_at is not None and payment.expire_at < payment.due_at:
        payment.due_at, payment.polled = payment.expire_at, False


def believe(tx: Session, at: Place, payment_id: str, session: CheckoutSession) -> bool:
    """Write down what Stripe says of a payment, and how that differs. False if it has to be asked
    for again: somebody else is about it, or the answer does not show everything.
    """
    _, payment, _ = family(tx, payment_id)
    if is_partial(session) or _is_busy(tx, at, payment):
        return False
    owed = payment.due_at is not None and payment.due_at <= now(tx) and not payment.polled
    before = differences(payment, session, _disputes_of(tx, payment))
    # What was due anyway was on its way, and has not been missed.
    missed = () if owed else before
    if at.dry:
        service.tell(tx, at, missed)
    elif _apply(tx, at, payment, session) or payment.status in ENDED:
        after = differences(payment, session, _disputes_of(tx, payment))
        judged = {payment_id, *(each.id for each in _reported(session))}
        discrepancies.note(tx, at.run, payment, judged=judged, before=missed, after=after)
    subjects.answered(tx, at.run, RunSubject.payment_id == payment_id)
    crashpoint("reconcile believed")
    return True


def _reported(session: CheckoutSession) -> tuple[StripeDispute, ...]:
    return session.intent.disputes if session.intent is not None else ()


def _is_busy(tx: Session, at: Place, payment: Payment) -> bool:
    """Somebody asks about it, has asked, or there is news that may be later than our question."""
    asked = payment.leased_until is not None and payment.leased_until > now(tx)
    heard = payment.checked_at is not None and payment.checked_at > at.at
    due = payment.due_at is not None and at.at < payment.due_at <= now(tx)
    return asked or heard or (due and not payment.polled)


def _apply(tx: Session, at: Place, payment: Payment, session: CheckoutSession) -> bool:
    """False if it is first to be ended at Stripe: who does that asks again, and is due now."""
    payments.make_due(tx, payment.id)
    said = payments.verdict(session)
    to_end = is_unwanted(payment) or is_late(payment, at=now(tx))
    if to_end and said in (S.REQUIRES_ACTION, S.AUTHORIZED):
        return False
    claimed = claim(tx, Payment, payment.id)
    if claimed is None:
        raise RuntimeError(f"{payment.id} is held and due, and could not be claimed")
    # What was stored after the question was put may be about something later.
    if settlement.apply(tx, replace(claimed, at=at.at), session):
        stripe_events.mark_processed(tx, payment.id, stored_before=at.at)
    tx.flush()
    return True


def _disputes_of(tx: Session, payment: Payment) -> dict[str, str]:
    mine = select(Dispute.stripe_dispute_id, Dispute.status).filter_by(payment_id=payment.id)
    return dict(tx.execute(mine).all())


def denied(tx: Session, at: Place, payment_id: str, refusal: Refused) -> None:
    """Stripe says that there is no such session. That moves nothing: it proves nothing."""
    _, payment, _ = family(tx, payment_id)
    ours = {"status": payment.status, "session": payment.stripe_session_id}
    words = f"Stripe denies the session of this payment: {refusal.message}"
    missing = Difference(Kind.MISSING_THERE, payment.id, ours, None, words)
    if at.dry:
        service.tell(tx, at, [missing])
    else:
        discrepancies.bring_up(tx, at.run, missing, payment=payment)
    subjects.answered(tx, at.run, RunSubject.payment_id == payment_id)
