"""The shapes of merchants in the API."""

from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate

from gateway.kernel.fields import Resource, Strict, Text, Time

MAX_ORIGINS = 20


class Origin(Text):
    """A web origin as browsers send it: scheme, host, port if unusual; no path."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=255, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        origin = super()._deserialize(value, attr, data, **kwargs).lower()
        try:
            parts = urlsplit(origin)
            rebuilt = f"{parts.scheme}://{parts.netloc}"
            valid = parts.scheme in ("http", "https") and bool(parts.hostname)
            valid = valid and rebuilt == origin and "@" not in parts.netloc and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise ValidationError("Must be an origin such as https://shop.example, without a path.")
        return origin


class MerchantSchema(Resource):
    id = fields.String()
    name = fields.String()
    allowed_origins = fields.List(fields.String())
    created_at = Time()


class MerchantPatch(Strict):
    name = Text(longest=100)
    allowed_origins = fields.List(Origin(), validate=validate.Length(max=MAX_ORIGINS))
