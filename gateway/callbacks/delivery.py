"""One delivery: what to send, and what its outcome means. The sending itself is `sender`'s."""

import random
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.callbacks.models import Attempt, Delivery, DeliveryStatus, Endpoint, EndpointStatus
from gateway.callbacks.sender import Result
from gateway.callbacks.signing import body_of
from gateway.kernel.db import lock, now
from gateway.kernel.due import Claim, is_ours, settle
from gateway.kernel.events import Event
from gateway.settings import settings

MAX_RETRY_AFTER = 86400.0  # seconds; a server may ask for a day, not for ever
JITTER = 0.2


@dataclass(frozen=True)
class Outgoing:
    """Everything a sender needs, so that it needs no transaction."""

    url: str
    event_id: str
    secrets: list[str]
    body: bytes


def prepare(tx: Session, delivery: Delivery) -> Outgoing | None:
    """What to send; None when its endpoint is gone, which ends the delivery."""
    event = tx.scalars(select(Event).filter_by(id=delivery.event_id)).one()
    endpoint = tx.get_one(Endpoint, delivery.endpoint_id)
    if endpoint.status == EndpointStatus.DELETED:
        delivery.transition_to(DeliveryStatus.EXHAUSTED, due_at=None, leased_until=None)
        return None
    assert event.sequence is not None  # noqa: S101 - only numbered events have deliveries
    return Outgoing(
        url=endpoint.url,
        event_id=event.id,
        secrets=endpoint.secrets(now(tx)),
        body=body_of(
            type=event.type,
            timestamp=event.created_at,
            sequence=event.sequence,
            data=event.data,
        ),
    )


def record(tx: Session, claimed: Claim[Delivery], result: Result) -> bool:
    """Keep the attempt and decide what follows. False if the claim was lost meanwhile."""
    delivery = lock(tx, Delivery, claimed.row.id)
    if not is_ours(delivery, claimed):
        return False
    delivery.attempted += 1
    tx.add(
        Attempt(
            delivery_id=delivery.id,
            number=delivery.attempted,
            started_at=result.started_at,
            recorded_at=now(tx),
            duration_ms=result.duration_ms,
            status_code=result.status_code,
            error=result.error,
            response_headers=result.headers,
            response_body=result.body,
        )
    )
    again = delivery.due_at != claimed.due_at  # somebody asked for another attempt meanwhile
    settle(tx, delivery, claimed, due_in=None)
    if again:
        return True
    if result.delivered:
        delivery.transition_to(DeliveryStatus.DELIVERED)
    elif delivery.attempted >= len(settings().retry_intervals):
        delivery.transition_to(DeliveryStatus.EXHAUSTED)
    else:
        wait = wait_before(delivery.attempted + 1, retry_after=result.retry_after)
        delivery.due_at = now(tx) + timedelta(seconds=wait)
    return True


def wait_before(attempt: int, *, retry_after: float | None = None) -> float:
    """Seconds to wait before attempt `attempt` (from 1), jitter and the server's wish included."""
    planned = settings().retry_intervals[attempt - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311
    return max(planned, min(retry_after or 0.0, MAX_RETRY_AFTER))
