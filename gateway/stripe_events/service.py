"""Which payment is meant, and does that make it due? Nothing else is learned from an event."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from gateway.kernel.db import now
from gateway.payments import service as payments
from gateway.payments.service import Meant
from gateway.processor.types import StripeNews
from gateway.stripe_events.models import StripeEvent, StripeEventStatus

S = StripeEventStatus

# Only these can be about a payment of ours.
RELEVANT = ("checkout.session.", "payment_intent.", "charge.", "refund.")
UNMATCHED_DAYS = 3  # as long as Stripe itself repeats an event
BATCH = 500


def store(tx: Session, news: StripeNews) -> StripeEvent | None:
    """Keep the event and make its payment due; None if it was stored before."""
    relevant = news.type.startswith(RELEVANT)
    meant = _meant(tx, news.session_id, news.intent_id, news.payment_id) if relevant else None
    event = StripeEvent.start_once(
        tx,
        stripe_event_id=news.id,
        type=news.type,
        livemode=news.livemode,
        api_version=news.api_version,
        object_id=news.object_id,
        session_id=news.session_id,
        intent_id=news.intent_id,
        named_payment_id=news.payment_id,
        payment_id=meant.payment_id if meant else None,
        body=news.body,
    )
    if event is None:
        return None
    if not relevant:
        event.transition_to(S.IGNORED, reason="No payment is about this type of event.")
    elif meant is None:
        event.transition_to(S.UNMATCHED, reason="No payment of ours carries its ids.")
    else:
        _hint(tx, event, meant)
    return event


def _meant(tx: Session, session: str | None, intent: str | None, named: str | None) -> Meant | None:
    return payments.match(tx, session_id=session, intent_id=intent, payment_id=named)


def _hint(tx: Session, event: StripeEvent, meant: Meant) -> None:
    """Make the event's payment due, unless they are of different worlds."""
    if meant.livemode != event.livemode:
        event.transition_to(S.IGNORED, reason="The payment is of the other mode (test or live).")
    else:
        payments.make_due(tx, meant.payment_id, intent_id=event.intent_id)


_WAITING = select(StripeEvent).where(
    StripeEvent.payment_id == bindparam("payment_id"),
    StripeEvent.status.in_((S.RECEIVED, S.UNMATCHED)),
    StripeEvent.created_at < bindparam("before"),
)


def mark_processed(tx: Session, payment_id: str, *, stored_before: datetime) -> None:
    """Stripe was asked about the payment after these came, so they have nothing more to tell."""
    for event in tx.scalars(_WAITING, {"payment_id": payment_id, "before": stored_before}):
        event.transition_to(S.PROCESSED)


def match_again(tx: Session) -> int:
    """Try the young unmatched events once more; returns how many found their payment."""
    young = now(tx) - timedelta(days=UNMATCHED_DAYS)
    unmatched = (
        select(StripeEvent)
        .where(StripeEvent.status == S.UNMATCHED, StripeEvent.created_at > young)
        .where(StripeEvent.payment_id.is_(None))
        .order_by(StripeEvent.created_at)
        .limit(BATCH)
    )
    found = 0
    for event in tx.scalars(unmatched).all():
        meant = _meant(tx, event.session_id, event.intent_id, event.named_payment_id)
        if meant is not None:
            event.payment_id = meant.payment_id
            _hint(tx, event, meant)
            found += 1
    return found


def answer(event: StripeEvent | None) -> dict[str, Any]:
    return {"received": True, "duplicate": event is None}
