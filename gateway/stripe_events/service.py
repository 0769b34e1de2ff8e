"""Which payment is meant, and does that make it due? Nothing else is learned from an event."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.kernel.db import now
from gateway.payments import service as payments
from gateway.processor.types import StripeNews
from gateway.stripe_events.models import StripeEvent, StripeEventStatus

S = StripeEventStatus

# Only these can be about a payment of ours.
RELEVANT = ("checkout.session.", "payment_intent.", "charge.", "refund.")
UNMATCHED_DAYS = 3  # as long as Stripe itself repeats an event
BATCH = 500


def store(tx: Session, news: StripeNews) -> StripeEvent | None:
    """Keep the event and make its payment due; None if it was stored before."""
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
        body=news.body,
    )
    if event is None:
        return None
    if not news.type.startswith(RELEVANT):
        event.transition_to(S.IGNORED, reason="No payment is about this type of event.")
    elif not _hint(tx, event):
        event.transition_to(S.UNMATCHED, reason="No payment of ours carries its ids.")
    return event


def _hint(tx: Session, event: StripeEvent) -> bool:
    """Make the event's payment due, if it has one."""
    payment = payments.match(
        tx,
        session_id=event.session_id,
        intent_id=event.intent_id,
        payment_id=event.named_payment_id,
    )
    if payment is None:
        return False
    event.payment_id = payment.id
    if payment.livemode != event.livemode:
        event.transition_to(S.IGNORED, reason="The payment is of the other mode (test or live).")
        return True
    payments.make_due(tx, payment.id, intent_id=event.intent_id)
    return True


def mark_processed(tx: Session, payment_id: str, *, stored_before: datetime) -> None:
    """Stripe was asked about the payment after these came, so they have nothing more to tell."""
    waiting = select(StripeEvent).where(
        StripeEvent.payment_id == payment_id,
        StripeEvent.status.in_((S.RECEIVED, S.UNMATCHED)),
        StripeEvent.created_at < stored_before,
    )
    for event in tx.scalars(waiting):
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
    return sum(_hint(tx, event) for event in tx.scalars(unmatched))


def answer(event: StripeEvent | None) -> dict[str, Any]:
    return {"received": True, "duplicate": event is None}
