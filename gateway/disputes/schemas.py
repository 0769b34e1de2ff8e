"""The shapes of disputes in the API, in events and in callbacks."""

from marshmallow import fields

from gateway.kernel.fields import PageQuery, Resource, Status, Time


class DisputeSchema(Resource):
    id = fields.String()
    payment_id = fields.String()
    status = Status("dispute")
    amount = fields.Integer()
    currency = fields.String()
    reason = fields.String(allow_none=True, metadata={"description": "Stripe's word for it."})
    respond_by = Time(
        allow_none=True, metadata={"description": "Until when evidence can be sent to Stripe."}
    )
    created_at = Time()
    updated_at = Time()
    livemode = fields.Boolean()


class DisputeQuery(PageQuery):
    status = Status("dispute", load_default=None)
