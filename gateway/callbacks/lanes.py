"""Lanes: where deliveries wait for their endpoint, out of the way of everybody else's.

What may not be sent now (the circuit is open, the endpoint is disabled or takes no more) loses its
due time and so leaves the queue, at the cost of one write, however long it waits. The endpoint is
a due row itself while its lane may hold something: `tend` lets out what may go. Both need the
endpoint's lock, so that nothing enters a lane that somebody has just found empty for good.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy import update as bulk_update  # noqa: TID251 - to fall due is not a change of state
from sqlalchemy.orm import Session

from gateway.callbacks import batches
from gateway.callbacks.batches import Taken
from gateway.callbacks.models import Delivery, DeliveryStatus, Endpoint, EndpointStatus
from gateway.kernel.db import held, now

# As many as are let out by who does not know how many the endpoint takes: about as many as a worker
# that has not sent to it lately.
OUT_AT_ONCE = 5
TO_END_AT_ONCE = 100
# A worker that has deliveries of an endpoint lets the next out itself, and sooner; this is how
# late somebody else sees that the worker is dead.
LOOK_AGAIN = timedelta(seconds=20)

_table: Any = Delivery.__table__


def _release(order: Any, *, later: bool = False) -> Any:
    """Make the first in the lane due; with `later` also what is due at some other time."""
    until = _table.c.due_at > func.gateway_now()
    # A delivery that is locked is being written by who makes it due: it needs nobody else.
    waiting = (
        select(_table.c.id)
        .where(
            _table.c.endpoint_id == bindparam("endpoint"),
            _table.c.status == DeliveryStatus.PENDING.value,
            or_(_table.c.due_at.is_(None), until) if later else _table.c.due_at.is_(None),
        )
        .order_by(order)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True, key_share=True)
    )
    released = bulk_update(_table).where(_table.c.id.in_(waiting))
    return released.values(due_at=func.gateway_now(), updated_at=func.gateway_now())


_RELEASE = _release(_table.c.id)
# The newest is the probe: the oldest may be the very one that the server cannot take.
_RELEASE_PROBE = _release(_table.c.id.desc())
_RELEASE_ALL = _release(_table.c.id, later=True)


def locked(tx: Session, ids: Sequence[str]) -> Sequence[Endpoint]:
    """The endpoints, locked in the order of their ids."""
    rows = select(Endpoint).where(Endpoint.id.in_(ids)).order_by(Endpoint.id)
    return tx.scalars(held(rows)).all()


def tend(tx: Session, endpoint: Endpoint, most: int = OUT_AT_ONCE) -> datetime | None:
    """Let out what may go now. Returns when to look again; None when nothing waits."""
    at, rests, release = now(tx), endpoint.open_until, _RELEASE
    if endpoint.status == EndpointStatus.DELETED:  # all are let out, and come to an end
        most, release = TO_END_AT_ONCE, _RELEASE_ALL
    else:
        if rests is not None:
            if rests > at:
                return rests
            most, release = 1, _RELEASE_PROBE
        elif endpoint.status == EndpointStatus.DISABLED:
            return None
    released = tx.connection().execute(release, {"endpoint": endpoint.id, "most": most})
    return at + LOOK_AGAIN if released.rowcount == most else None


def put_away(tx: Session, deliveries: Sequence[Taken]) -> None:
    """Put claimed deliveries into the lanes of their endpoints."""
    endpoints = locked(tx, sorted({each.endpoint_id for each in deliveries}))
    batches.put_away(tx, deliveries)
    for endpoint in endpoints:
        look_again(tx, endpoint)


def look_again(tx: Session, endpoint: Endpoint) -> None:
    """Somebody is to tend to it: when its circuit lets a probe through, or before long."""
    rests, soon = endpoint.open_until, now(tx) + LOOK_AGAIN
    if rests is not None and rests > now(tx):
        endpoint.due_at = rests
    elif endpoint.status != EndpointStatus.DISABLED or rests is not None:
        # Half-open, a probe is on its way, which tends to the lane as it comes back.
        endpoint.due_at = min(soon, endpoint.due_at or soon)


def drop(tx: Session, deliveries: Sequence[Taken]) -> None:
    """End claimed deliveries whose endpoints were deleted, and let out what else waits for them."""
    endpoints = locked(tx, sorted({each.endpoint_id for each in deliveries}))
    batches.drop(tx, deliveries)
    for endpoint in endpoints:
        endpoint.due_at = tend(tx, endpoint)
