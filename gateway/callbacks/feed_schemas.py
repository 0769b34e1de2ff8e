"""The shapes of the feed: what may be asked of it, and an event as it tells it."""

import re
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, pre_dump

from gateway.callbacks.catalogue import CATALOGUE
from gateway.callbacks.signing import content_of
from gateway.kernel.events import Event
from gateway.kernel.fields import Limit, Resource, Strict, Text

MOST = 2**63 - 1  # what PostgreSQL's bigint holds


class SequenceNumber(fields.Integer):
    """The number of an event, or 0 for before the first; in plain digits."""

    described: ClassVar[dict[str, Any]] = {"minimum": 0, "maximum": MOST}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        digits = isinstance(value, str) and value.isascii() and value.isdigit()
        if not digits or len(value) > len(str(MOST)) or int(value) > MOST:
            raise ValidationError(f"Must be a whole number from 0 to {MOST}.")
        return int(value)


class TypeNames(Text):
    """Event types of the catalogue with commas between; kept once each."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=len(",".join(CATALOGUE)), **kwargs)
        one = "|".join(map(re.escape, CATALOGUE))
        self.described |= {
            "description": "Event types with commas between; left out, all of them.",
            "pattern": f"^(?:{one})(?:,(?:{one}))*$",
        }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        named = super()._deserialize(value, attr, data, **kwargs).split(",")
        for name in named:
            if name not in CATALOGUE:
                raise ValidationError(f"{name[:64]!r} is no event type. Write a.b,c.d, no spaces.")
        return sorted(set(named))


class FeedQuery(Strict):
    after = SequenceNumber(
        load_default=0,
        metadata={"description": "Only events with a higher `sequence`: `next_after`, from then."},
    )
    types = TypeNames(load_default=None)
    limit = Limit(load_default=20)


class EventSchema(Resource):
    """`type`, `timestamp`, `sequence` and `data` are those of the callback, never thin."""

    id = fields.String(metadata={"description": "The `webhook-id` of its callbacks."})
    type = fields.String()
    timestamp = fields.String(metadata={"format": "date-time"})
    sequence = fields.Integer()
    data = fields.Dict(metadata={"description": "The resource, as the change left it."})
    livemode = fields.Boolean()

    @pre_dump
    def told(self, event: Event, **_: Any) -> dict[str, Any]:
        return content_of(event) | {"id": event.id, "livemode": event.livemode}


class FeedSchema(Resource):
    """Oldest first. `next_after` is what to ask for next, also when `data` is empty."""

    data = fields.List(fields.Nested(EventSchema))
    has_more = fields.Boolean()
    next_after = fields.Integer()
