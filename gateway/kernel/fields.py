"""The field types of every schema: text that PostgreSQL, logs and mail can carry, ids, times.

Unknown fields are refused, and a body is never changed silently.
"""

import re
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500
# Control characters (NUL stops PostgreSQL, CR and LF forge headers) and lone surrogates.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Strict(Schema):
    """A body or a query: what it does not name is refused."""

    class Meta:
        unknown = RAISE


class Resource(Schema):
    """What the API shows, events record and callbacks carry: one shape for all three."""


class Text(fields.String):
    """1..`longest` characters (not bytes) without control characters or lone surrogates."""

    def __init__(self, *, longest: int, pattern: str | None = None, what: str = "", **kw: Any):
        super().__init__(**kw)
        self.longest = longest
        self.pattern = re.compile(pattern) if pattern else None
        self.what = what

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        check_text(text, longest=self.longest)
        if self.pattern and not self.pattern.fullmatch(text):
            raise ValidationError(f"Must be {self.what}.")
        return text


def check_text(text: str, *, longest: int) -> None:
    if not 1 <= len(text) <= longest:
        raise ValidationError(f"Must have 1 to {longest} characters; it has {len(text)}.")
    if _FORBIDDEN.search(text):
        raise ValidationError("Must not contain control characters or lone surrogates.")


class Metadata(fields.Field[dict[str, str]]):
    """Up to 50 of the merchant's own pairs: keys to 40 characters, values (strings) to 500."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object of strings.")
        if len(value) > METADATA_KEYS:
            raise ValidationError(f"Must have at most {METADATA_KEYS} keys; it has {len(value)}.")
        for key, text in value.items():
            check_text(key, longest=METADATA_KEY_LENGTH)
            if not isinstance(text, str):
                raise ValidationError("Every value must be a string.")
            check_text(text or " ", longest=METADATA_VALUE_LENGTH)
        return value


class Time(fields.AwareDateTime):
    """RFC 3339, UTC, as in 2026-01-31T09:30:00.123456Z."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else value.isoformat().replace("+00:00", "Z")


class Limit(fields.Integer):
    """How many a page holds: 1..100, in plain digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4
        if not digits or not 1 <= int(value) <= 100:
            raise ValidationError("Must be a whole number from 1 to 100.")
        return int(value)


class PageQuery(Strict):
    """`limit` and `starting_after`, as on every list."""

    limit = Limit(load_default=20)
    starting_after = Text(longest=64, load_default=None)
