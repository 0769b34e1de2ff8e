"""The shapes of replays in the API."""

from typing import Any, ClassVar

from marshmallow import fields, validate

from gateway.kernel.fields import Flag, Instant, Resource, Strict, Time
from gateway.kernel.runs import RunStatus


class ReplayCreate(Strict):
    """Without `status`: all of that time that is not on its way, what was never sent included."""

    described: ClassVar[dict[str, Any]] = {
        "examples": [{"since": "2025-01-31T09:30:00Z", "status": "exhausted", "dry_run": True}]
    }

    since = Instant(required=True, metadata={"description": "The first moment, before `until`."})
    until = Instant(
        load_default=None,
        allow_none=False,
        metadata={"description": "The moment after the last; now, if it is left out."},
    )
    status = fields.String(
        load_default=None,
        allow_none=False,
        validate=validate.OneOf(("delivered", "exhausted", "pending")),
        metadata={
            "description": "Only deliveries in this status; those `pending` do not wait any more."
        },
    )
    dry_run = Flag(load_default=False, metadata={"description": "Only count."})


class ReplaySchema(Resource):
    """How much of it is on its way; the deliveries themselves say what has arrived."""

    id = fields.String(allow_none=True, metadata={"description": "Null: it was only counted."})
    endpoint_id = fields.String()
    status = fields.String(allow_none=True, metadata={"enum": [*RunStatus, None]})
    since = Time(attribute="asked.since")
    until = Time(attribute="asked.until")
    of_status = fields.String(
        attribute="asked.status",
        allow_none=True,
        metadata={"description": "The status that was asked for; null for any."},
    )
    total = fields.Integer(
        metadata={"description": "Events to be looked at: those of that time, and a few around."}
    )
    done = fields.Integer(
        metadata={"description": "Those looked at so far; of very many, a dry run looks at some."}
    )
    deliveries = fields.Integer(metadata={"description": "Of these, how many go out once more."})
    error = fields.String(allow_none=True)
    created_at = Time(allow_none=True)
    finished_at = Time(allow_none=True)
