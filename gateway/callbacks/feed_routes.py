"""HTTP for the feed of events."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.callbacks import feed
from gateway.callbacks.feed_schemas import EventSchema, FeedQuery, FeedSchema
from gateway.kernel.events import Event
from gateway.kernel.http import Api, Caller
from gateway.merchants.auth import by_secret

api = Api("events", authenticate=by_secret)


@api.read("/events", query=FeedQuery(), returns=FeedSchema())
def list_events(tx: Session, caller: Caller, query: dict[str, Any]) -> feed.Feed:
    """List events, oldest first.

    Ask again with `after` and the `next_after` of this answer, at once while `has_more`: nothing
    is missed. With `types` a page may be empty and still have more to come.
    """
    return feed.page(tx, caller, **query)


@api.read("/events/<event_id>", returns=EventSchema())
def read_event(tx: Session, caller: Caller, event_id: str) -> Event:
    """Read an event."""
    return feed.get(tx, caller, event_id)
