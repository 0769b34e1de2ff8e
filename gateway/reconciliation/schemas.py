"""The shapes of reconciliation in the API."""

from marshmallow import fields

from gateway.kernel.fields import PageQuery, Resource, Status, Text, Time

KINDS = (
    *("missing_here", "missing_there", "state_differs", "amount_differs"),
    *("currency_differs", "duplicate", "refund_sum_differs"),
)


class CountsSchema(Resource):
    found = fields.Integer(metadata={"description": "Found by this run."})
    fixed = fields.Integer(metadata={"description": "Of these, brought to where Stripe is."})
    open = fields.Integer(metadata={"description": "Of these, still to be looked at."})


class ReconciliationSchema(Resource):
    """One run. The counts are of the caller's own payments."""

    id = fields.String()
    status = Status("run")
    since = Time(metadata={"description": "From when on Stripe's objects were compared."})
    until = Time(metadata={"description": "Up to when."})
    covered = fields.Boolean(
        metadata={"description": "Whether all of it was compared: not yet, or not to the end."}
    )
    dry_run = fields.Boolean(
        metadata={"description": "Whether it only told what differs, and changed nothing."}
    )
    discrepancies = fields.Nested(CountsSchema)
    error = fields.String(allow_none=True)
    created_at = Time()
    finished_at = Time(allow_none=True)


class SideSchema(Resource):
    """Where a payment stands, or a dispute, of which less is known. Minor units."""

    status = fields.String()
    session = fields.String(metadata={"description": "Where Stripe denies it: the session here."})
    amount = fields.Integer()
    captured = fields.Integer()
    refunded = fields.Integer()
    currency = fields.String()


class DiscrepancySchema(Resource):
    id = fields.String()
    status = Status("discrepancy")
    kind = fields.String(metadata={"enum": list(KINDS)})
    payment_id = fields.String()
    subject = fields.String(
        metadata={"description": "The payment, or Stripe's id of what it is about."}
    )
    reason = fields.String(metadata={"description": "What differed, in words."})
    ours = fields.Nested(SideSchema, allow_none=True)
    theirs = fields.Nested(SideSchema, allow_none=True)
    run_id = fields.String(metadata={"description": "The run that found it."})
    handled_by = fields.String(allow_none=True, metadata={"description": "A run, or a person."})
    how = fields.String(allow_none=True)
    handled_at = Time(allow_none=True)
    created_at = Time()
    livemode = fields.Boolean()


class ReconciliationQuery(PageQuery):
    pass


class DiscrepancyQuery(PageQuery):
    status = Status("discrepancy", load_default=None)
    kind = Text(longest=32, load_default=None)
    run_id = Text(longest=64, load_default=None)
    payment_id = Text(longest=64, load_default=None)


class StretchSchema(Resource):
    since = Time()
    until = Time()
    covered = fields.Boolean()


class CoverageSchema(Resource):
    """From the first payment to now: what has been compared with Stripe, and what has not."""

    data = fields.List(fields.Nested(StretchSchema))
