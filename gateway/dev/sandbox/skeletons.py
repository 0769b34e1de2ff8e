"""Complete Stripe objects with nothing in them yet, built from stripe-python's own declarations.

So every field of the pinned version is present with no list to maintain. Knows no business rule.
"""

import inspect
import json
from decimal import Decimal
from functools import cache
from typing import Any, Literal, get_args, get_origin

from stripe._list_object import ListObject
from stripe._stripe_object import StripeObject

from gateway.dev.sandbox import shapes

_EMPTY: dict[Any, Any] = {str: "", bool: False, int: 0, float: 0.0, Decimal: "0"}


def blank(object_name: str, **fields: Any) -> dict[str, Any]:
    """A whole object of the kind, with `fields` filled in."""
    result: dict[str, Any] = json.loads(_template(object_name))
    unknown = fields.keys() - result.keys()
    if unknown:
        raise TypeError(f"{object_name} has no field {sorted(unknown)}")
    return result | fields


@cache
def _template(object_name: str) -> str:
    """Kept as text: parsing it again is the quickest deep copy."""
    cls = shapes.class_named(object_name)
    if cls is None:
        raise TypeError(f"no such Stripe object: {object_name}")
    return json.dumps(_build(cls))


def _build(cls: type) -> dict[str, Any]:
    fields = shapes.fields_of(cls)
    return {name: _default(annotation) for name, annotation in fields.items() if name != "deleted"}


def _default(annotation: Any) -> Any:
    choices = shapes.choices_of(annotation)
    if type(None) in choices or Any in choices:
        return None
    first = next((choice for choice in choices if get_origin(choice) is Literal), choices[0])
    if first in _EMPTY:
        return _EMPTY[first]
    if get_origin(first) is Literal:
        return get_args(first)[0]
    if get_origin(first) is list:
        return []
    if get_origin(first) is ListObject:
        return {"object": "list", "data": [], "has_more": False, "url": ""}
    return _build(first) if inspect.isclass(first) and issubclass(first, StripeObject) else {}
