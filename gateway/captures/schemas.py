"""The shapes of captures in the API, in events and in callbacks."""

from typing import Any, ClassVar

from marshmallow import fields

from gateway.kernel.fields import SHOWN_FAILURE, Resource, Status, Strict, Time, dump_failure
from gateway.kernel.money import Amount


class CaptureCreate(Strict):
    """Without an amount, all that is held."""

    described: ClassVar[dict[str, Any]] = {"examples": [{"amount": 1500}]}

    # Left out, never null: a variable that was forgotten must not take everything.
    amount = Amount(load_default=None, allow_none=False)


class CaptureSchema(Resource):
    id = fields.String()
    payment_id = fields.String()
    status = Status("capture")
    amount = fields.Integer()
    currency = fields.String()
    reason = fields.String(allow_none=True)
    failure = fields.Function(dump_failure, metadata=SHOWN_FAILURE)
    created_at = Time()
    updated_at = Time()
    livemode = fields.Boolean()
