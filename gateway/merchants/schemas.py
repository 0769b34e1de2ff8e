"""The shapes of merchants in the API."""

from typing import Any, ClassVar

from marshmallow import fields, validate

from gateway.kernel.fields import PORT, Resource, Strict, Text, Time

MAX_ORIGINS = 20
KEY = r"key_(?:test|live)_[A-Za-z0-9_]{1,64}"
_HOST = r"(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])"
_ORIGIN = rf"https?://{_HOST}(?::{PORT})?"


class Origin(Text):
    """A web origin as browsers send it: scheme, host, port if unusual; no path."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            longest=255,
            pattern=_ORIGIN,
            what="an origin such as https://shop.example, in lower case and without a path",
            **kwargs,
        )


class MerchantSchema(Resource):
    id = fields.String()
    name = fields.String()
    allowed_origins = fields.List(fields.String())
    created_at = Time()


class MerchantPatch(Strict):
    described: ClassVar[dict[str, Any]] = {
        "examples": [{"allowed_origins": ["https://shop.example"]}]
    }

    allowed_origins = fields.List(Origin(), validate=validate.Length(max=MAX_ORIGINS))
