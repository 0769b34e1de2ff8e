"""The shapes of stock in the API."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields

from gateway.kernel.fields import PageQuery, Resource, Strict, Text

SKU = r"(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,64}"  # not . or .., which no URL can carry
SKU_WORDS = "1 to 64 of A-Z a-z 0-9 _ . : -"
MOST_PIECES = 99_999_999


class Pieces(fields.Integer):
    """A JSON integer, 0..99,999,999."""

    minimum = 0
    described: ClassVar[dict[str, Any]] = {"minimum": 0, "maximum": MOST_PIECES}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_PIECES:
            raise ValidationError(f"Must be a JSON integer from 0 to {MOST_PIECES}.")
        return value


class StockUpdate(Strict):
    """How many pieces there are now, the reserved ones included."""

    described: ClassVar[dict[str, Any]] = {"examples": [{"on_hand": 100}]}

    on_hand = Pieces(strict=True, required=True)


class StockSchema(Resource):
    sku = fields.String()
    on_hand = fields.Integer(metadata={"description": "Pieces there are, the reserved included."})
    reserved = fields.Integer(metadata={"description": "Pieces promised to unpaid orders."})
    available = fields.Integer(metadata={"description": "Pieces that can still be ordered."})


class StockQuery(PageQuery):
    starting_after = Text(
        longest=64,
        load_default=None,
        metadata={"description": "The SKU that the page before ended with."},
    )
