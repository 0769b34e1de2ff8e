"""Which payment is meant, and does that make it due? Nothing else is learned from an event."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

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
OTHER_MODE = "The payment is of the other mode (test or live)."


def store(tx: Session, news: StripeNews) -> StripeEvent | None:
    """Keep the event and make its payment due; None if it was stored before."""
    relevant = news.type.startswith(RELEVANT)
    meant = _meant(tx, news.session_id, news.intent_id, news.payment_id) if relevant else None
    event = _keep(tx, news, meant)
    if event is None:
        return None
    if not relevant:
        event.transition_to(S.IGNORED, reason="No payment is about this type of event.")
    elif meant is None:
        event.transition_to(S.UNMATCHED, reason="No payment of ours carries its ids.")
    else:
        _hint(tx, event, meant)
    return event


def _keep(
    tx: Session, news: StripeNews, meant: Meant | None, *, fetched: bool = False
) -> StripeEvent | None:
    return StripeEvent.start_once(
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
        fetched=fetched,
    )


def not_stored(tx: Session, found: Iterable[StripeNews]) -> list[StripeNews]:
    """Of events that Stripe lists those that can be about a payment and never came here."""
    relevant = [news for news in found if news.type.startswith(RELEVANT)]
    ids = [news.id for news in relevant]
    stored = select(StripeEvent.stripe_event_id).where(StripeEvent.stripe_event_id.in_(ids))
    known = set(tx.scalars(stored)) if ids else set()
    return [news for news in relevant if news.id not in known]


class Fetched(NamedTuple):
    """The payment that an event is about which we had to fetch; `known` if Stripe has been asked
    about it since.
    """

    payment_id: str
    known: bool


def store_fetched(tx: Session, news: StripeNews) -> Fetched | None:
    """Keep an event that never came. None if it is about no payment of ours."""
    meant = _meant(tx, news.session_id, news.intent_id, news.payment_id)
    event = _keep(tx, news, meant, fetched=True)
    if event is None:
        return None
    if meant is None:
        event.transition_to(S.UNMATCHED, reason="No payment of ours carries its ids.")
        return None
    if meant.livemode != event.livemode:
        event.transition_to(S.IGNORED, reason=OTHER_MODE)
        return None
    known = payments.was_asked_about(tx, meant.payment_id, since=news.created_at)
    if known:
        event.transition_to(S.PROCESSED)
    return Fetched(meant.payment_id, known)


def _meant(tx: Session, session: str | None, intent: str | None, named: str | None) -> Meant | None:
    return payments.match(tx, session_id=session, intent_id=intent, payment_id=named)


def _hint(tx: Session, event: StripeEvent, meant: Meant) -> None:
    """Make the event's payment due, unless they are of different worlds."""
    if meant.livemode != event.livemode:
        event.transition_to(S.IGNORED, reason=OTHER_MODE)
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
