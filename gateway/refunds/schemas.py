"""The shapes of refunds in the API, in events and in callbacks."""

from typing import Any, ClassVar

from marshmallow import fields

from gateway.kernel.fields import SHOWN_FAILURE, Resource, Status, Strict, Text, Time, dump_failure
from gateway.kernel.money import Amount


class RefundCreate(Strict):
    """Without an amount, all that is left. The reason is for your own records."""

    described: ClassVar[dict[str, Any]] = {
        "examples": [{"amount": 500, "reason": "Customer requested"}]
    }

    # Left out, never null: a variable that was forgotten must not give everything back.
    amount = Amount(load_default=None, allow_none=False)
    reason = Text(longest=500, load_default=None)


class RefundSchema(Resource):
    id = fields.String()
    payment_id = fields.String()
    status = Status("refund")
    amount = fields.Integer()
    currency = fields.String()
    reason = fields.String(allow_none=True)
    automatic = fields.Boolean(
        metadata={"description": "Made by the gateway: the money could not be for an order."}
    )
    failure = fields.Function(dump_failure, metadata=SHOWN_FAILURE)
    created_at = Time()
    updated_at = Time()
    livemode = fields.Boolean()
