"""The feed: a merchant's numbered events of one mode, oldest first. Reads only.

Whoever has read up to N and asks for what comes after N misses nothing: the relay numbers events
one transaction at a time, in the order in which their changes became visible, so that no number
below N can appear once N was seen. A page ends at the newest number there was before it was read.
"""

from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from gateway.kernel.errors import NotFound
from gateway.kernel.events import Event
from gateway.kernel.http import Caller

# Events that one page looks at. Without it a reader of rare types would go through the whole
# history with every question: half a second at a million events, against a hundredth for these.
LOOKED_AT = 10_000


@dataclass(frozen=True)
class Feed:
    data: list[Event]
    has_more: bool
    next_after: int


def page(
    tx: Session, caller: Caller, *, after: int, limit: int, types: list[str] | None = None
) -> Feed:
    """The next `limit` events after the number `after`, of `types` if they are given.

    `next_after` passes over what was looked at and not wanted, so that nobody looks at it again.
    """
    newest = last(tx, caller)
    end = min(newest, after + LOOKED_AT)
    rows = _mine(caller).where(Event.sequence > after, Event.sequence <= end)
    if types is not None:
        rows = rows.where(Event.type.in_(types))
    found = list(tx.scalars(rows.order_by(Event.sequence).limit(limit + 1)))
    if len(found) > limit:
        shown = found[:limit]
        return Feed(shown, has_more=True, next_after=shown[-1].sequence or 0)
    return Feed(found, has_more=end < newest, next_after=max(after, end))


def last(tx: Session, caller: Caller) -> int:
    """The newest number; 0 before the first."""
    return tx.scalar(_mine(caller).with_only_columns(func.max(Event.sequence))) or 0


def get(tx: Session, caller: Caller, event_id: str) -> Event:
    """One event. Before the relay has numbered it, it is not there: nobody was told of it."""
    told = _mine(caller).where(Event.id == event_id, Event.sequence.is_not(None))
    event: Event | None = tx.scalar(told)
    if event is None:
        raise NotFound(f"There is no event {event_id!r}.")
    return event


def _mine(caller: Caller) -> Select[Event]:
    return select(Event).filter_by(merchant_id=caller.merchant_id, livemode=caller.livemode)
