"""The shapes of orders in the API, in events and in callbacks."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from gateway.inventory.schemas import SKU, SKU_WORDS
from gateway.kernel.fields import (
    SHOWN_PAIRS,
    Metadata,
    PageQuery,
    Resource,
    Status,
    Strict,
    Text,
    Time,
    check_text,
)
from gateway.kernel.ids import OUR_SHAPE, is_id
from gateway.kernel.money import EXACT, MAX_AMOUNT, Amount, Currency, check_money

MAX_ITEMS = 100  # Stripe's own limit for one session
MAX_QUANTITY = 10_000
REFERENCE = SKU  # the same letters, for the same reason


class Reference(Text):
    """The merchant's own name for an order. It must not look like one of our ids."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=64, pattern=REFERENCE, what=SKU_WORDS, **kwargs)
        self.described["not"] = {"type": "string", "pattern": f"^{OUR_SHAPE.pattern}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        reference = super()._deserialize(value, attr, data, **kwargs)
        if is_id(reference):
            raise ValidationError("Has the shape of a gateway id; choose another reference.")
        return reference


class Quantity(fields.Integer):
    described: ClassVar[dict[str, Any]] = {"minimum": 1, "maximum": MAX_QUANTITY}

    def __init__(self) -> None:
        super().__init__(strict=True, required=True)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_QUANTITY:
            raise ValidationError(f"Must be a JSON integer from 1 to {MAX_QUANTITY}.")
        return value


class Item(Strict):
    sku = Text(longest=64, pattern=SKU, what=SKU_WORDS)
    name = Text(longest=200, required=True)
    quantity = Quantity()
    unit_amount = Amount(required=True)


class OrderCreate(Strict):
    """Either `items`, whose sum is the amount, or a plain `amount`."""

    described: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {"required": ["amount"], "properties": {"items": {"maxItems": 0}}},
            {
                "required": ["items"],
                "properties": {"items": {"minItems": 1}},
                "not": {"required": ["amount"]},
            },
        ],
        "allOf": EXACT,
        "examples": [
            {
                "reference": "cart-1042",
                "currency": "EUR",
                "items": [{"sku": "teapot", "name": "Teapot", "quantity": 1, "unit_amount": 4999}],
            }
        ],
    }

    reference = Reference(load_default=None)
    currency = Currency(required=True)
    items = fields.List(
        fields.Nested(Item), load_default=list, validate=validate.Length(max=MAX_ITEMS)
    )
    amount = Amount()
    customer_email = fields.Email(
        load_default=None, validate=lambda text: check_text(text, longest=254)
    )
    metadata = Metadata(load_default=dict)

    @validates_schema(skip_on_field_errors=True)
    def check_amount(self, data: dict[str, Any], **_: Any) -> None:
        if not data["items"] and "amount" not in data:
            raise ValidationError("Give at least one item, or an amount.", "items")
        if data["items"] and "amount" in data:
            raise ValidationError("Give either items or an amount, not both.", "amount")
        amount = total(data)
        if amount > MAX_AMOUNT:
            raise ValidationError(f"The items come to {amount}; {MAX_AMOUNT} is the most.", "items")
        check_money(amount, data["currency"])


class OrderUpdate(Strict):
    """What is left out stays as it is. `items` and `amount` replace each other."""

    described: ClassVar[dict[str, Any]] = {
        "not": {"required": ["items", "amount"]},
        "allOf": EXACT,
        "examples": [{"customer_email": "shopper@example.com"}],
    }

    reference = Reference()
    currency = Currency()
    items = fields.List(fields.Nested(Item), validate=validate.Length(min=1, max=MAX_ITEMS))
    amount = Amount()
    customer_email = fields.Email(
        allow_none=True, validate=lambda text: check_text(text, longest=254)
    )
    metadata = Metadata()

    @validates_schema(skip_on_field_errors=True)
    def check_amount(self, data: dict[str, Any], **_: Any) -> None:
        if "items" in data and "amount" in data:
            raise ValidationError("Give either items or an amount, not both.", "amount")


class OrderCancel(Strict):
    described: ClassVar[dict[str, Any]] = {"examples": [{"reason": "The shopper changed her mind"}]}

    reason = Text(longest=500, load_default=None)


def total(order: dict[str, Any]) -> int:
    """Priced on the server: the sum of the items, or the plain amount."""
    if order["items"]:
        return sum(item["quantity"] * item["unit_amount"] for item in order["items"])
    return int(order["amount"])


_SHOWN_ITEM = {
    "properties": {
        "sku": {"type": "string"},
        "name": {"type": "string"},
        "quantity": {"type": "integer"},
        "unit_amount": {"type": "integer"},
    },
    "required": ["name", "quantity", "unit_amount"],
}


class OrderSchema(Resource):
    id = fields.String()
    reference = fields.String(allow_none=True)
    status = Status("order")
    currency = fields.String()
    amount = fields.Integer()
    items = fields.List(fields.Dict(metadata=_SHOWN_ITEM))
    reason = fields.String(allow_none=True)
    cancel_requested_at = Time(allow_none=True)
    expires_at = Time(allow_none=True)
    metadata = fields.Dict(attribute="meta", metadata=SHOWN_PAIRS)
    created_at = Time()
    updated_at = Time()
    livemode = fields.Boolean()


class OrderQuery(PageQuery):
    status = Status("order", load_default=None)
    reference = Text(longest=64, load_default=None)
