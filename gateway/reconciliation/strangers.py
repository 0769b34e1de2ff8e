"""Stripe's lists beside our tables: whose money is this, and which payments must be asked about?

Runs inside the caller's transaction. What belongs to a payment of ours makes that one of the run's
subjects; money that belongs to none is written down, never touched.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.orm import Session

from gateway.disputes.models import Dispute, DisputeStatus
from gateway.kernel.ids import is_id
from gateway.payments.models import Payment
from gateway.processor.lists import is_live
from gateway.processor.types import (
    CheckoutSession,
    Intent,
    StripeDispute,
    StripeNews,
    StripeRefund,
)
from gateway.reconciliation import discrepancies, service, subjects
from gateway.reconciliation.compare import ACCOUNTS_FOR, Difference, keeps_money
from gateway.reconciliation.models import Discrepancy, DiscrepancyStatus, Kind
from gateway.reconciliation.service import Place
from gateway.refunds.models import Refund
from gateway.settings import settings
from gateway.settlement.movements import DISPUTE_FROM_STRIPE
from gateway.settlement.refunding import REFUND_FROM_STRIPE
from gateway.stripe_events import service as stripe_events

PAGE, INTENT = "cs_", "pi_"  # how Stripe's ids of them begin
ON_THEIR_WAY = timedelta(minutes=5)  # what Stripe takes to deliver an event, and more


def sessions(
    tx: Session, at: Place, found: Iterable[tuple[Payment | None, CheckoutSession]]
) -> None:
    """A page that a payment has besides its own can be paid, or has been: twice."""
    over = []
    for payment, session in found:
        intent = session.intent
        paid = intent is not None and keeps_money(intent)
        if payment is not None and (paid or session.status == "open"):
            subject = intent.id if intent is not None and paid else session.id
            words = (
                f"Stripe has money for payment {payment.id} a second time: give {subject} back."
                if paid
                else f"Payment {payment.id} has a second page that can be paid: expire {subject}."
            )
            theirs = _of_intent(intent) if intent is not None and paid else _of_page(session)
            _bring_up(tx, at, Kind.DUPLICATE, subject, theirs, words, payment)
        if session.status != "open":
            over.append(session.id)
    _agree(tx, at, over)


def intents(tx: Session, at: Place, found: Iterable[Intent]) -> None:
    page = list(found)
    known = _by_intent(tx, [each.id for each in page])
    accounted = _by_intent(tx, known, Payment.status.in_(ACCOUNTS_FOR))
    others = []
    for each in page:
        if each.id in known or not keeps_money(each):
            continue
        named = tx.get(Payment, each.payment_id) if each.payment_id else None
        if named is not None and named.stripe_intent_id is None:
            subjects.add(tx, at.run, {named.id})  # it may be its own, of which no word came
            if not _is_told(tx, each.id, Kind.DUPLICATE):  # of another page, where it was paid
                continue
        if named is not None:
            words = f"Stripe has money for payment {named.id} a second time: give {each.id} back."
            _bring_up(tx, at, Kind.DUPLICATE, each.id, _of_intent(each), words, named)
        elif settings().stripe_shared and not is_id(each.payment_id or "", "pay"):
            others.append(each.id)
        else:
            words = f"Stripe has taken money by {each.id}, and no payment here is about it."
            _bring_up(tx, at, Kind.MISSING_HERE, each.id, _of_intent(each), words, None)
    _agree(tx, at, [each.id for each in page if each.id in accounted or not keeps_money(each)])
    _agree(tx, at, others, discrepancies.OTHERS)


def told(tx: Session, at: Place, *, most: int) -> list[tuple[str, str]]:
    """Pages and money of which somebody was told, and may have done something about it: ids of
    rows, the newest first, with what they are about. What is open, however old; and what was
    resolved though a shopper could still pay there.
    """
    could_be_paid = and_(
        Discrepancy.status == DiscrepancyStatus.RESOLVED,
        Discrepancy.subject.startswith(PAGE, autoescape=True),
        Discrepancy.created_at > at.at - subjects.PAGES_ARE_OPEN,
    )
    of_stripe = (Discrepancy.subject.startswith(each, autoescape=True) for each in (PAGE, INTENT))
    rows = select(Discrepancy.id, Discrepancy.subject).where(
        Discrepancy.id < at.cursor if at.cursor is not None else true(),
        Discrepancy.run_id != at.run.id,
        Discrepancy.livemode == is_live(),
        or_(discrepancies.IS_OPEN, could_be_paid),
        or_(*of_stripe),
    )
    return [
        (id, subject)
        for id, subject in tx.execute(rows.order_by(Discrepancy.id.desc()).limit(most))
    ]


def refunds(tx: Session, at: Place, found: Iterable[StripeRefund]) -> None:
    page = list(found)
    rows = select(Refund.stripe_refund_id, Refund.status).where(
        Refund.stripe_refund_id.in_([each.id for each in page])
    )
    known = dict(tx.execute(rows).all())
    changed = [r for r in page if known.get(r.id, "") != REFUND_FROM_STRIPE.get(r.status)]
    _ask_about(tx, at, changed)


def disputes(tx: Session, at: Place, found: Iterable[StripeDispute]) -> None:
    page = list(found)
    rows = select(Dispute.stripe_dispute_id, Dispute.status).where(
        Dispute.stripe_dispute_id.in_([each.id for each in page])
    )
    known = dict(tx.execute(rows).all())
    meant = ((each, DISPUTE_FROM_STRIPE.get(each.status, DisputeStatus.OPEN)) for each in page)
    _ask_about(tx, at, [each for each, status in meant if known.get(each.id) != status])


def events(tx: Session, at: Place, found: Iterable[StripeNews]) -> None:
    """Those that never came are stored, and what they are about is asked for, unless a poll has
    done so; then it is only named. The youngest may still be on their way. A dry run stores none.
    """
    missed = [news for news in found if _is_missed(news, at)]
    for news in stripe_events.not_stored(tx, missed):
        if at.dry:
            continue  # what is new is told by its payment's session
        fetched = stripe_events.store_fetched(tx, news)
        if fetched is None:
            continue
        payment = tx.get_one(Payment, fetched.payment_id)
        if not fetched.known:
            subjects.add(tx, at.run, {payment.id})
        elif not discrepancies.has_row_since(tx, payment, news.created_at or at.at):
            words = f"Stripe's {news.type} of {news.created_at:%Y-%m-%d %H:%M} UTC never came."
            event = Difference(Kind.MISSING_HERE, news.id, None, {"status": news.type}, words)
            discrepancies.known_otherwise(tx, at.run, event, payment)


def _is_missed(news: StripeNews, at: Place) -> bool:
    return news.created_at is not None and news.created_at < at.at - ON_THEIR_WAY


def _ask_about(tx: Session, at: Place, changed: list[Any]) -> None:
    known = _by_intent(tx, [each.intent_id for each in changed if each.intent_id])
    subjects.add(tx, at.run, set(known.values()))


def _by_intent(
    tx: Session, intent_ids: Iterable[str | None], *conditions: ColumnElement[bool]
) -> dict[str | None, str]:
    rows = select(Payment.stripe_intent_id, Payment.id).where(*conditions)
    return dict(tx.execute(rows.where(Payment.stripe_intent_id.in_(list(intent_ids)))).all())


def _bring_up(
    tx: Session,
    at: Place,
    kind: Kind,
    subject: str,
    theirs: dict[str, Any],
    words: str,
    payment: Payment | None,
) -> None:
    difference = Difference(kind, subject, None, theirs, words)
    if at.dry:
        service.tell(tx, at, [difference])
        return
    if not _is_told(tx, subject, *(other for other in discrepancies.STRAY if other != kind)):
        discrepancies.bring_up(tx, at.run, difference, payment=payment)


def _is_told(tx: Session, subject: str, *kinds: Kind) -> bool:
    row = discrepancies.hold_newest(tx, subject, *kinds)
    return row is not None and row.status == DiscrepancyStatus.OPEN


def _agree(tx: Session, at: Place, over: list[str], how: str = discrepancies.GONE) -> None:
    if over and not at.dry:
        discrepancies.agree(tx, at.run, over, how)


def _of_page(session: CheckoutSession) -> dict[str, Any]:
    return {
        "status": session.status,
        "amount": session.amount_total,
        "captured": 0,
        "refunded": 0,
        "currency": session.currency,
    }


def _of_intent(intent: Intent) -> dict[str, Any]:
    return {
        "status": intent.status,
        "amount": intent.amount,
        "captured": intent.amount_received,
        "refunded": intent.given_back,
        "currency": intent.currency,
    }
