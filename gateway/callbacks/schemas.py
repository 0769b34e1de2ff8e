"""The shapes of endpoints, deliveries and attempts in the API."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate

from gateway.callbacks import egress
from gateway.callbacks.catalogue import CATALOGUE, EVERYTHING
from gateway.kernel.fields import PORT, PageQuery, Resource, Status, Strict, Text, Time

MAX_URL = 2000
# What `egress` takes of names, with the ports it takes unless told otherwise; addresses and odd
# spellings may pass as well. Plain http it takes outside production.
_INNER = r"(?!(?:localhost|local|localdomain|internal|intranet|lan|arpa)(?:[:/?]|$))"
_PUBLIC = rf"https://(?:[A-Za-z0-9_-]+\.)+{_INNER}[a-z]{{2,}}(?::(?:443|8443))?"
_URL = rf"^(?:{_PUBLIC}|http://(?:localhost|127\.0\.0\.1)(?::{PORT})?)"
_PATH = r"(?:[/?][!-\"$-\[\]-~]*)?$"


class CallbackUrl(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=MAX_URL, **kwargs)
        self.described |= {
            "description": "https, to the public; http only to this machine, outside production.",
            "pattern": _URL + _PATH,
        }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs)
        try:
            egress.check_url(url)
        except egress.Refused as refused:
            raise ValidationError(str(refused)) from None
        return url


class EventTypes(fields.List[str]):
    """`["*"]`, or some of the catalogue; kept once each."""

    most = len(CATALOGUE) + 1
    described: ClassVar[dict[str, Any]] = {
        "description": "Event types, or `*` for all.",
        "minItems": 1,
        "maxItems": most,
    }

    def __init__(self, **kwargs: Any) -> None:
        known = validate.OneOf((EVERYTHING, *CATALOGUE), error="{input} is no event type.")
        super().__init__(fields.String(validate=known), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        named = super()._deserialize(value, attr, data, **kwargs)
        if not 1 <= len(named) <= self.most:
            raise ValidationError(f"Must name 1 to {self.most} event types, not {len(named)}.")
        types = {str(type) for type in named}
        return [EVERYTHING] if EVERYTHING in types else sorted(types)


class EndpointCreate(Strict):
    described: ClassVar[dict[str, Any]] = {
        "examples": [{"url": "https://shop.example/hooks", "events": ["order.payment_done"]}]
    }

    url = CallbackUrl(required=True)
    events = EventTypes(load_default=lambda: [EVERYTHING])
    description = Text(longest=500, load_default=None)


class EndpointPatch(Strict):
    described: ClassVar[dict[str, Any]] = {"examples": [{"events": ["*"]}]}

    url = CallbackUrl()
    events = EventTypes()
    description = Text(longest=500, allow_none=True)


class EndpointSchema(Resource):
    id = fields.String()
    url = fields.String()
    events = fields.List(fields.String())
    description = fields.String(allow_none=True)
    status = Status("endpoint")
    created_at = Time()
    updated_at = Time()
    livemode = fields.Boolean()


class EndpointCreated(EndpointSchema):
    """With the secret, which is shown this once."""

    secret = fields.String()


class DeliverySchema(Resource):
    id = fields.String()
    event_id = fields.String()
    event_type = fields.String()
    endpoint_id = fields.String()
    status = Status("delivery")
    attempts = fields.Integer(attribute="attempted")
    next_attempt_at = Time(attribute="due_at", allow_none=True)
    created_at = Time()
    livemode = fields.Boolean()


class AttemptSchema(Resource):
    number = fields.Integer()
    started_at = Time()
    duration_ms = fields.Integer()
    status_code = fields.Integer(allow_none=True)
    error = fields.String(allow_none=True)
    response_headers = fields.List(fields.List(fields.String()))
    response_body = fields.String()


class DeliveryDetail(DeliverySchema):
    """With every attempt, oldest first."""

    attempt_log = fields.List(fields.Nested(AttemptSchema))


class DeliveryQuery(PageQuery):
    endpoint_id = Text(longest=64, load_default=None)
    event_id = Text(longest=64, load_default=None)
    event_type = Text(longest=64, load_default=None)
    status = Status("delivery", load_default=None)
