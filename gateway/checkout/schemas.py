"""The shapes of a checkout: a payment as far as the shopper who pays it may see it."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate

from gateway.kernel.fields import SHOWN_FAILURE, Flag, Resource, Status, Strict, Text, Time
from gateway.kernel.ids import REST
from gateway.kernel.waiting import LONGEST_SECONDS
from gateway.merchants.schemas import KEY, Origin
from gateway.payments.schemas import ReturnUrl

MODES = ("auto", "popup", "redirect")
OUTCOMES = ("open", "pending", "succeeded", "failed", "cancelled")
_TOKEN = r"[0-9a-f]{64}"  # noqa: S105 - its shape


class OrderId(Text):
    """An order's id. A reference will not do: strangers could guess it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=30, pattern=f"ord_{REST}", what="an order's id, ord_...", **kwargs)


class CheckoutOpen(Strict):
    described: ClassVar[dict[str, Any]] = {
        "examples": [
            {
                "key": "key_test_abc123",
                "order_id": "ord_01kjn0abcdefghjkmnpqrstvwx",
                "origin": "http://127.0.0.1:8001",
            }
        ]
    }

    key = Text(
        longest=80,
        required=True,
        pattern=KEY,
        what="the publishable half of a key, key_test_... or key_live_...",
    )
    order_id = OrderId(required=True)
    origin = Origin(required=True)
    mode = fields.String(load_default="auto", validate=validate.OneOf(MODES))
    return_url = ReturnUrl(load_default=None)


class CheckoutCancel(Strict):
    described: ClassVar[dict[str, Any]] = {"examples": [{"cancel_token": "0" * 64}]}

    cancel_token = Text(
        longest=64, required=True, pattern=_TOKEN, what="the cancel_token of who opened it"
    )


class Seconds(fields.Integer):
    """Whole seconds, 0..20, in plain digits."""

    described: ClassVar[dict[str, Any]] = {
        "description": "Hold the answer so many seconds until `version` changes.",
        "minimum": 0,
        "maximum": LONGEST_SECONDS,
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 3
        if not digits or int(value) > LONGEST_SECONDS:
            raise ValidationError(f"Must be a whole number from 0 to {LONGEST_SECONDS}.")
        return int(value)


class CheckoutQuery(Strict):
    wait = Seconds(load_default=0)
    seen = Text(
        longest=16,
        load_default=None,
        pattern=r"[0-9a-f]{16}",
        what="the `version` that is known: a newer one is answered at once",
    )
    ask = fields.String(
        load_default=None,
        validate=validate.OneOf(["stripe"]),
        metadata={"description": "`stripe`: have Stripe asked now, should its news be late."},
    )


class ResultSchema(Resource):
    """What a shopper carries back to the shop, signed under the secret of the shop's key."""

    order_id = fields.String()
    payment_id = fields.String()
    status = Status("payment")
    amount = fields.Integer()
    currency = fields.String()
    signature = fields.String(
        allow_none=True,
        metadata={"description": "Hex HMAC-SHA-256; null if the key is revoked."},
    )


class CheckoutSchema(Resource):
    payment_id = fields.String(attribute="payment.id")
    order_id = fields.String(attribute="payment.order_id")
    order_reference = fields.String(attribute="payment.order_reference", allow_none=True)
    status = Status("payment", attribute="payment.status")
    outcome = fields.String(validate=validate.OneOf(OUTCOMES))
    settled = Flag(
        metadata={"description": "Nothing more to wait for: tell the shopper, and lead on."}
    )
    acknowledged = Flag(metadata={"description": "The shop has taken its `order.payment_done`."})
    amount = fields.Integer(attribute="payment.amount")
    currency = fields.String(attribute="payment.currency")
    url = fields.String(metadata={"description": "The page that leads to paying."})
    checkout_url = fields.String(attribute="payable_at", allow_none=True)
    failure = fields.Dict(allow_none=True, metadata=SHOWN_FAILURE)
    certainty = fields.String(validate=validate.OneOf(["confirmed", "unconfirmed"]))
    next_check_at = Time(attribute="payment.due_at", allow_none=True)
    cancel_requested_at = Time(attribute="payment.cancel_requested_at", allow_none=True)
    result = fields.Nested(ResultSchema(), allow_none=True)
    version = fields.String(metadata={"description": "Another whenever something has changed."})
    livemode = fields.Boolean(attribute="payment.livemode")


class CheckoutOpened(CheckoutSchema):
    """The answer to who opened it, and to nobody else."""

    client_secret = fields.String()
    cancel_token = fields.String(
        allow_none=True,
        metadata={"description": "For who began the payment; null for who joined it."},
    )
