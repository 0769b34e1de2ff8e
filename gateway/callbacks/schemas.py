"""The shapes of endpoints, deliveries and attempts in the API."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate

from gateway.callbacks import egress
from gateway.callbacks.catalogue import CATALOGUE, EVERYTHING
from gateway.kernel.fields import PORT, PageQuery, Resource, Status, Strict, Text, Time

MAX_URL = 2000
LONGEST_OVERLAP = 7 * 86400  # seconds; two secrets are twice as easily lost as one
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


class Overlap(fields.Integer):
    """A JSON integer, 0..604800."""

    minimum = 0
    described: ClassVar[dict[str, Any]] = {
        "description": "Seconds in which the secret before this one signs too; 0 for none.",
        "minimum": 0,
        "maximum": LONGEST_OVERLAP,
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError("Must be a JSON integer.")
        if not 0 <= value <= LONGEST_OVERLAP:
            raise ValidationError(f"Must be from 0 to {LONGEST_OVERLAP} seconds.")
        return value


class SecretRotate(Strict):
    """By default both sign for a day."""

    described: ClassVar[dict[str, Any]] = {"examples": [{"overlap_seconds": 3600}]}

    overlap_seconds = Overlap(strict=True, load_default=86400)


class EndpointDisable(Strict):
    """The reason is for your own records."""

    described: ClassVar[dict[str, Any]] = {"examples": [{"reason": "Moving to another server"}]}

    reason = Text(longest=500, load_default=None)


# The codes are those of `DisabledCode`, which ranks above this.
_SHOWN_DISABLED = {
    "type": ["object", "null"],
    "description": "`paused` by you, `gone` (it answered 410), or `failing` for days.",
    "properties": {
        "code": {"type": "string", "enum": ["paused", "gone", "failing"]},
        "message": {"type": "string"},
    },
    "required": ["code", "message"],
}
_SHOWN_CIRCUIT = {
    "type": "string",
    "enum": ["closed", "open"],
    "description": "`open` while callbacks are held back, since it fails; one goes now and then.",
}


def dump_disabled(endpoint: Any) -> dict[str, str] | None:
    if endpoint.disabled_code is None:
        return None
    return {"code": endpoint.disabled_code, "message": endpoint.disabled_message}


class EndpointSchema(Resource):
    id = fields.String()
    url = fields.String()
    events = fields.List(fields.String())
    description = fields.String(allow_none=True)
    status = Status("endpoint")
    disabled_reason = fields.Function(dump_disabled, metadata=_SHOWN_DISABLED)
    circuit = fields.Function(
        lambda endpoint: "closed" if endpoint.open_until is None else "open",
        metadata=_SHOWN_CIRCUIT,
    )
    failing_since = Time(
        allow_none=True, metadata={"description": "The first failure since the last success."}
    )
    last_error = fields.String(
        allow_none=True, metadata={"description": "What went wrong last, in words."}
    )
    secret_rotates_until = Time(
        allow_none=True,
        metadata={
            "description": "Until when the secret before this one signs too; null: only one."
        },
    )
    created_at = Time()
    updated_at = Time()
    livemode = fields.Boolean()


class EndpointCreated(EndpointSchema):
    """With the secret, which is shown this once."""

    secret = fields.String()


class TestSent(Resource):
    """`GET /webhook-deliveries?event_id=` finds its delivery, a moment later."""

    event_id = fields.String()
    type = fields.String()
    endpoint_id = fields.String()


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
