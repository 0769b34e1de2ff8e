"""The shapes of payments in the API, in events and in callbacks."""

from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate, validates_schema

from gateway.kernel.fields import Metadata, PageQuery, Resource, Strict, Text, Time
from gateway.kernel.ids import is_id
from gateway.kernel.money import Amount, Currency, check_money
from gateway.kernel.seal import derive

METHODS = ("card", "upi")
CAPTURE_METHODS = ("automatic", "manual")
_NAME = r"(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,64}"
_VPA = r"[A-Za-z0-9][A-Za-z0-9.\-_]{1,254}@[A-Za-z][A-Za-z0-9]{1,63}"


class ReturnUrl(Text):
    """Where the shopper goes after paying: absolute http(s), no user name, no trickery."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=2000, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs)
        try:
            parts = urlsplit(url)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound or not url.isascii() or "\\" in url or " " in url or "@" in parts.netloc:
            raise ValidationError("Must be an absolute address such as https://shop.example/done.")
        return url


class PaymentCreate(Strict):
    """`amount` and `currency` default to the order's; without such an order they make one."""

    order_id = Text(longest=64, required=True, pattern=_NAME, what="an order's id or reference")
    amount = Amount(load_default=None)
    currency = Currency(load_default=None)
    method = fields.String(load_default=None, validate=validate.OneOf(METHODS))
    vpa = Text(longest=320, load_default=None, pattern=_VPA, what="a UPI address such as name@bank")
    capture_method = fields.String(
        load_default="automatic", validate=validate.OneOf(CAPTURE_METHODS)
    )
    return_url = ReturnUrl(load_default=None)
    metadata = Metadata(load_default=dict)

    @validates_schema(skip_on_field_errors=True)
    def check_together(self, data: dict[str, Any], **_: Any) -> None:
        if data["vpa"] and data["method"] != "upi":
            raise ValidationError("Is only for method upi.", "vpa")
        if data["method"] == "upi" and data["capture_method"] == "manual":
            raise ValidationError("UPI cannot be captured later; use automatic.", "capture_method")
        if data["method"] == "upi" and data["currency"] not in (None, "INR"):
            raise ValidationError("UPI takes INR only.", "currency")
        if data["amount"] and data["currency"]:
            check_money(data["amount"], data["currency"])
        if is_id(data["order_id"]) and not is_id(data["order_id"], "ord"):
            raise ValidationError("Is the id of something else than an order.", "order_id")


class PaymentSchema(Resource):
    id = fields.String()
    order_id = fields.String()
    order_reference = fields.String()
    status = fields.String()
    amount = fields.Integer()
    currency = fields.String()
    method = fields.String()
    vpa = fields.Function(lambda payment: masked(payment.vpa))
    capture_method = fields.String()
    amount_captured = fields.Integer()
    amount_refunded = fields.Integer()
    checkout_url = fields.String()
    attempt = fields.Integer()
    failure = fields.Method("dump_failure")
    certainty = fields.Method("dump_certainty")
    next_check_at = Time(attribute="due_at")
    metadata = fields.Dict(attribute="meta")
    created_at = Time()
    updated_at = Time()
    livemode = fields.Boolean()

    def dump_failure(self, payment: Any) -> dict[str, str | None] | None:
        if payment.failure_code is None:
            return None
        return {"code": payment.failure_code, "message": payment.failure_message}

    def dump_certainty(self, payment: Any) -> str:
        """A question to Stripe without an answer means that its truth may be ahead of ours."""
        asked = payment.status == "pending" and payment.session_requested_at is not None
        in_vain = payment.attempts > 1 or (payment.attempts and payment.leased_until is None)
        return "unconfirmed" if asked or in_vain else "confirmed"


class PaymentCreated(PaymentSchema):
    """The answer to who made it, and to nobody else: the shopper's page opens with the secret."""

    client_secret = fields.Function(lambda payment: client_secret(payment.id))


class PaymentQuery(PageQuery):
    order_id = Text(longest=64, load_default=None)
    status = Text(longest=32, load_default=None)


def client_secret(payment_id: str) -> str:
    """Derived from the payment id and the gateway's key, never stored."""
    return f"{payment_id}_secret_{derive('client-secret', payment_id).hex()}"


def masked(vpa: str | None) -> str | None:
    """`shopper@bank` -> `sh*****@bank`."""
    if vpa is None:
        return None
    name, _, bank = vpa.rpartition("@")
    return f"{name[:2]}{'*' * max(1, len(name) - 2)}@{bank}"
