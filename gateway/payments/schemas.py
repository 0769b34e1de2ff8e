"""The shapes of payments in the API, in events and in callbacks."""

from typing import Any, ClassVar
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate, validates_schema

from gateway.kernel.fields import (
    PORT,
    SHOWN_FAILURE,
    SHOWN_PAIRS,
    Metadata,
    PageQuery,
    Resource,
    Status,
    Strict,
    Text,
    Time,
    dump_failure,
)
from gateway.kernel.ids import OUR_SHAPE, is_id
from gateway.kernel.money import EXACT, Amount, Currency, any_case, check_money
from gateway.kernel.seal import derive

METHODS = ("card", "upi", "sepa_debit")
CAPTURE_METHODS = ("automatic", "manual")
_NAME = r"(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,64}"
_VPA = r"[A-Za-z0-9][A-Za-z0-9.\-_]{1,254}@[A-Za-z][A-Za-z0-9]{1,63}"
# What `ReturnUrl` takes, but for IPv6 and odd spellings.
_URL = rf"^https?://[A-Za-z0-9_.-]+(?::{PORT})?(?:[/?#][!-\[\]-~]*)?$"

# Banks pay with these at once or in days, never on approval, and in one currency.
CURRENCY_OF = {"upi": "INR", "sepa_debit": "EUR"}


def _by(method: str) -> dict[str, Any]:
    return {"properties": {"method": {"const": method}}, "required": ["method"]}


# `check_together`, as JSON Schema.
_TOGETHER = [
    {"if": {"properties": {"vpa": {"type": "string"}}, "required": ["vpa"]}, "then": _by("upi")},
    *(
        {
            "if": _by(method),
            "then": {
                "properties": {
                    "capture_method": {"const": "automatic"},
                    "currency": {"pattern": any_case([currency])},
                }
            },
        }
        for method, currency in CURRENCY_OF.items()
    ),
    *EXACT,
]
# Of our ids only an order's may stand where an order is named.
_OTHER_ID = {"type": "string", "pattern": f"^(?!ord_){OUR_SHAPE.pattern}$"}


class ReturnUrl(Text):
    """Where the shopper goes after paying: absolute http(s), no user name, no trickery."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=2000, **kwargs)
        self.described |= {
            "description": "Where the shopper goes after paying, with http or https.",
            "pattern": _URL,
        }

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

    described: ClassVar[dict[str, Any]] = {
        "allOf": _TOGETHER,
        "examples": [
            {
                "order_id": "ord_test_001",
                "amount": 50000,
                "currency": "INR",
                "method": "upi",
                "vpa": "test@upi",
            }
        ],
    }

    order_id = Text(
        longest=64,
        required=True,
        pattern=_NAME,
        what="an order's id or reference",
        metadata={"not": _OTHER_ID},
    )
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
        method = data["method"]
        if method in CURRENCY_OF and data["capture_method"] == "manual":
            why = f"{method} cannot be captured later; use automatic."
            raise ValidationError(why, "capture_method")
        if method in CURRENCY_OF and data["currency"] not in (None, CURRENCY_OF[method]):
            raise ValidationError(f"{method} takes {CURRENCY_OF[method]} only.", "currency")
        if data["amount"] and data["currency"]:
            check_money(data["amount"], data["currency"])
        if is_id(data["order_id"]) and not is_id(data["order_id"], "ord"):
            raise ValidationError("Is the id of something else than an order.", "order_id")


_SHOWN_CERTAINTY = {"type": "string", "enum": ["confirmed", "unconfirmed"]}


class PaymentSchema(Resource):
    id = fields.String()
    order_id = fields.String()
    order_reference = fields.String(allow_none=True)
    status = Status("payment")
    amount = fields.Integer()
    currency = fields.String()
    method = fields.String(allow_none=True)
    vpa = fields.Function(
        lambda payment: masked(payment.vpa),
        metadata={"type": ["string", "null"], "description": "Masked: `sh*****@bank`."},
    )
    capture_method = fields.String()
    amount_captured = fields.Integer()
    amount_refunded = fields.Integer()
    checkout_url = fields.String(allow_none=True)
    cancel_requested_at = Time(allow_none=True)
    attempt = fields.Integer()
    failure = fields.Function(dump_failure, metadata=SHOWN_FAILURE)
    certainty = fields.Method("dump_certainty", metadata=_SHOWN_CERTAINTY)
    next_check_at = Time(attribute="due_at", allow_none=True)
    metadata = fields.Dict(attribute="meta", metadata=SHOWN_PAIRS)
    created_at = Time()
    updated_at = Time()
    livemode = fields.Boolean()

    def dump_certainty(self, payment: Any) -> str:
        """A question to Stripe without an answer means that its truth may be ahead of ours."""
        asked = payment.status == "pending" and payment.requested_at is not None
        in_vain = payment.attempts > 1 or (payment.attempts and payment.leased_until is None)
        return "unconfirmed" if asked or in_vain else "confirmed"


class PaymentCreated(PaymentSchema):
    """The answer to who made it, and to nobody else: the shopper's page opens with the secret."""

    client_secret = fields.Function(
        lambda payment: client_secret(payment.id), metadata={"type": "string"}
    )


class PaymentQuery(PageQuery):
    order_id = Text(longest=64, load_default=None)
    status = Status("payment", load_default=None)


def client_secret(payment_id: str) -> str:
    """Derived from the payment id and the gateway's key, never stored."""
    return f"{payment_id}_secret_{derive('client-secret', payment_id).hex()}"


def masked(vpa: str | None) -> str | None:
    """`shopper@bank` -> `sh*****@bank`."""
    if vpa is None:
        return None
    name, _, bank = vpa.rpartition("@")
    return f"{name[:2]}{'*' * max(1, len(name) - 2)}@{bank}"
