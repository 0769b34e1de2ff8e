"""The shape of a timeline."""

from marshmallow import fields

from gateway.kernel.fields import Resource, Time

KINDS = ["event", "stripe_call", "stripe_event", "callback"]


class Entry(Resource):
    """One thing that happened."""

    at = Time(metadata={"description": "When; an event from Stripe when it arrived here."})
    kind = fields.String(metadata={"enum": KINDS})
    id = fields.String(
        allow_none=True,
        metadata={"description": "Of the event, Stripe event or delivery; null for a call."},
    )
    what = fields.String(metadata={"description": "An event type, or the task that asked Stripe."})
    outcome = fields.String(
        metadata={"description": "The status it led to, or what became of the call or callback."}
    )
    detail = fields.String(allow_none=True, metadata={"description": "Why, in words."})


class Next(Resource):
    """One thing that is still to happen."""

    at = Time(
        allow_none=True,
        metadata={"description": "Null for what waits until somebody enables an endpoint."},
    )
    what = fields.String(metadata={"description": "The task that will run."})
    why = fields.String()


class TimelineSchema(Resource):
    """Oldest first. Of more than 500 entries the newest are shown, and `truncated` is true."""

    payment_id = fields.String()
    status = fields.String()
    needs_attention = fields.String(
        allow_none=True, metadata={"description": "What a person should look at; null if nothing."}
    )
    entries = fields.List(fields.Nested(Entry))
    truncated = fields.Boolean()
    next = fields.List(fields.Nested(Next))
