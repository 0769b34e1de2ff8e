"""A payment's story, put together from the logs of all who had a part in it. It only reads.

A question to Stripe that found nothing new has no entry of its own: the payment's `next_check_at`
and the last entry say that all is quiet.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.callbacks.models import Attempt, Delivery, DeliveryStatus, Endpoint
from gateway.captures.models import Capture
from gateway.disputes.models import Dispute
from gateway.kernel.events import Event
from gateway.kernel.http import Caller
from gateway.payments import service as payments
from gateway.payments.models import Payment, StripeCall
from gateway.refunds.models import Refund
from gateway.settings import settings
from gateway.stripe_events.models import StripeEvent

LONGEST = 500
LATEST = datetime.max.replace(tzinfo=UTC)  # after all that has a time


@dataclass(frozen=True)
class Entry:
    at: datetime
    kind: str
    id: str | None
    what: str
    outcome: str
    detail: str | None


@dataclass(frozen=True)
class Next:
    at: datetime | None
    what: str
    why: str


@dataclass(frozen=True)
class Timeline:
    payment_id: str
    status: str
    needs_attention: str | None
    entries: list[Entry]
    truncated: bool
    next: list[Next]


def of(tx: Session, caller: Caller, payment_id: str) -> Timeline:
    payment = payments.get(tx, caller, payment_id)
    subjects = (payment.id, payment.order_id, *_below(tx, payment))
    found = [
        *_events(tx, subjects),
        *_stripe_calls(tx, payment),
        *_stripe_events(tx, payment),
        *_callbacks(tx, subjects),
    ]
    entries = sorted(found, key=lambda entry: entry.at)
    return Timeline(
        payment_id=payment.id,
        status=payment.status,
        needs_attention=_attention(tx, payment),
        entries=entries[-LONGEST:],
        truncated=len(entries) > LONGEST,
        next=sorted(_next(tx, payment, subjects), key=lambda step: step.at or LATEST),
    )


def _below(tx: Session, payment: Payment) -> list[str]:
    """The ids of its captures, refunds and disputes."""
    kinds: tuple[Any, ...] = (Capture, Refund, Dispute)
    found = (select(kind.id).where(kind.payment_id == payment.id) for kind in kinds)
    return [id for rows in found for id in tx.scalars(rows)]


def _attention(tx: Session, payment: Payment) -> str | None:
    """Of the payment, or else of the money below it."""
    kinds: tuple[Any, ...] = (Capture, Refund)
    below = (select(kind.needs_attention).where(kind.payment_id == payment.id) for kind in kinds)
    found = [payment.needs_attention, *(why for rows in below for why in tx.scalars(rows))]
    return next((why for why in found if why), None)


def _newest(tx: Session, rows: Any, by: Any) -> list[Any]:
    return list(tx.execute(rows.order_by(by.desc()).limit(LONGEST + 1)))[::-1]


def _events(tx: Session, subjects: tuple[str, ...]) -> list[Entry]:
    rows = select(Event).where(Event.subject_id.in_(subjects))
    return [
        Entry(each.created_at, "event", each.id, each.type, each.to_status, f"by {each.actor}")
        for (each,) in _newest(tx, rows, Event.seq)
    ]


def _stripe_calls(tx: Session, payment: Payment) -> list[Entry]:
    rows = select(StripeCall).where(StripeCall.payment_id == payment.id)
    return [
        Entry(each.answered_at, "stripe_call", None, each.task, each.outcome, each.detail)
        for (each,) in _newest(tx, rows, StripeCall.id)
    ]


def _stripe_events(tx: Session, payment: Payment) -> list[Entry]:
    rows = select(StripeEvent).where(StripeEvent.payment_id == payment.id)
    return [
        Entry(
            each.created_at,
            "stripe_event",
            each.id,
            each.type,
            each.status,
            each.reason or f"Stripe calls it {each.stripe_event_id}.",
        )
        for (each,) in _newest(tx, rows, StripeEvent.id)
    ]


def _callbacks(tx: Session, subjects: tuple[str, ...]) -> list[Entry]:
    rows = (
        select(Attempt, Delivery)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .join(Event, Event.id == Delivery.event_id)
        .where(Event.subject_id.in_(subjects))
    )
    return [
        Entry(
            attempt.recorded_at or attempt.started_at,
            "callback",
            delivery.id,
            delivery.event_type,
            "failed" if attempt.error else "delivered",
            f"attempt {attempt.number} to {delivery.endpoint_id}: "
            + (attempt.error or f"answered {attempt.status_code} in {attempt.duration_ms} ms"),
        )
        for attempt, delivery in _newest(tx, rows, Attempt.id)
    ]


def _next(tx: Session, payment: Payment, subjects: tuple[str, ...]) -> list[Next]:
    steps = []
    if payment.due_at is not None:
        opens = payment.stripe_session_id is None
        what = "payments.submit" if opens else "payments.refresh"
        why = "Open the page to pay at." if opens else "Ask Stripe where the payment stands."
        at = max(payment.due_at, payment.leased_until or payment.due_at)
        steps.append(Next(at, what, why + _tried(payment.attempts)))
    movements: tuple[Any, ...] = (Capture, Refund)
    for kind in movements:
        due = select(kind).where(kind.payment_id == payment.id, kind.due_at.is_not(None))
        for row in tx.scalars(due):
            why = f"Ask Stripe for {row.KIND} {row.id}." + _tried(row.attempts)
            at = max(row.due_at, row.leased_until or row.due_at)
            steps.append(Next(at, f"{row.KIND}s.submit", why))
    return steps + _deliveries(tx, subjects) + _lanes(tx, subjects)


def _deliveries(tx: Session, subjects: tuple[str, ...]) -> list[Next]:
    when = func.greatest(Delivery.due_at, Delivery.leased_until)
    waiting = _pending(subjects).add_columns(when).where(Delivery.due_at.is_not(None))
    return [
        Next(at, "callbacks.deliver", f"Tell {delivery.endpoint_id} of {_what(delivery)}.")
        for delivery, _, at in tx.execute(waiting.order_by(when).limit(LONGEST))
    ]


def _lanes(tx: Session, subjects: tuple[str, ...]) -> list[Next]:
    """What waits for its endpoint: for its circuit to close, its turn, or somebody to enable it."""
    waiting = _pending(subjects).where(Delivery.due_at.is_(None)).order_by(Delivery.id)
    steps = []
    for delivery, endpoint in tx.execute(waiting.limit(LONGEST)):
        why = endpoint.disabled_message or endpoint.last_error or "It takes no more at once."
        told = f"Tell {endpoint.id}, which is not sent to now, of {_what(delivery)}. {why}"
        steps.append(Next(endpoint.due_at, "callbacks.tend", told))
    return steps


def _pending(subjects: tuple[str, ...]) -> Any:
    return (
        select(Delivery, Endpoint)
        .join(Event, Event.id == Delivery.event_id)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(Event.subject_id.in_(subjects), Delivery.status == DeliveryStatus.PENDING)
    )


def _what(delivery: Delivery) -> str:
    return f"{delivery.event_type}, {_attempt(delivery.attempted + 1)}"


def _attempt(number: int) -> str:
    planned = len(settings().retry_intervals)
    return f"attempt {number}" + (f" of {planned}" if number <= planned else ", asked for by hand")


def _tried(attempts: int) -> str:
    """Tries since the last answer, in words."""
    times = "once" if attempts == 1 else f"{attempts} times"
    return f" It was tried {times} in vain." if attempts else ""
