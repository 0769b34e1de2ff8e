"""Stripe's response objects as stripe-python declares them, and what is wrong with a given object.

Enums and objects are closed here, stricter than the SDK: a surprise is a mistake of the sandbox.
Known limit: the types do not tell "absent" from "null", so no missing optional field is reported.
"""

import importlib
import inspect
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, ForwardRef, Literal, Union, get_args, get_origin

from stripe._list_object import ListObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import StripeObject, UntypedStripeObject

# Sent by Stripe on charges although its own types do not list them.
_UNDECLARED = {"Charge": frozenset({"destination", "dispute", "order"})}


def problems(obj: dict[str, Any]) -> list[str]:
    """Everything wrong with a Stripe object (and an event's payload), each with its path."""
    found: list[str] = []
    _object(obj, "$", found)
    return found


@cache
def class_named(name: str) -> type | None:
    entry: Any = OBJECT_CLASSES.get(name)
    if isinstance(entry, tuple):  # The SDK registers its classes lazily, as (module, class name).
        entry = getattr(importlib.import_module(entry[0]), entry[1])
    return entry if inspect.isclass(entry) else None


@cache
def fields_of(cls: type) -> dict[str, Any]:
    """Wire name -> annotation, inherited ones included."""
    fields: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base is StripeObject or not base.__module__.startswith("stripe"):
            continue
        fields |= {
            name: annotation
            for name, annotation in vars(base).get("__annotations__", {}).items()
            if not name.startswith("_") and get_origin(annotation) is not ClassVar
        }
    for wire, attribute in getattr(cls, "_field_remappings", {}).items():
        if attribute in fields:
            fields[wire] = fields.pop(attribute)
    fields.pop("OBJECT_NAME", None)
    return fields


@cache
def choices_of(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Union:
        return tuple(choice for part in get_args(annotation) for choice in choices_of(part))
    return (annotation,)


def _object(obj: Any, path: str, found: list[str]) -> None:
    name = obj.get("object") if isinstance(obj, dict) else None
    cls = class_named(name) if isinstance(name, str) else None
    if name == "list":
        _list(obj, path, found)
    elif cls is None:
        found.append(f"{path}: unknown object {name!r}")
    else:
        _struct(cls, obj, path, found)
        if name == "event":
            _object(obj.get("data", {}).get("object"), f"{path}.data.object", found)


def _struct(cls: type, obj: dict[str, Any], path: str, found: list[str]) -> None:
    fields = fields_of(cls)
    if not fields:
        return
    allowed = _UNDECLARED.get(cls.__name__, frozenset())
    unknown = obj.keys() - fields.keys() - allowed
    found.extend(f"{path}.{name}: no such field in {cls.__name__}" for name in sorted(unknown))
    for name, annotation in fields.items():
        if name in obj:
            _value(annotation, obj[name], f"{path}.{name}", found)
        elif type(None) not in choices_of(annotation) and name != "deleted":
            found.append(f"{path}.{name}: required field is missing")


def _value(annotation: Any, value: Any, path: str, found: list[str]) -> None:
    choices = choices_of(annotation)
    if Any in choices:
        return
    if value is None:
        if type(None) not in choices:
            found.append(f"{path}: must not be null")
        return
    choices = tuple(choice for choice in choices if choice is not type(None))
    literals = [choice for choice in choices if get_origin(choice) is Literal]
    if literals and isinstance(value, str):
        if not any(value in get_args(literal) for literal in literals):
            found.append(f"{path}: unknown value {value!r}")
        return
    found.extend(_least_wrong(choices, value, path))


def _least_wrong(choices: tuple[Any, ...], value: Any, path: str) -> list[str]:
    tried = []
    for choice in choices:
        wrong: list[str] = []
        _one(choice, value, path, wrong)
        if not wrong:
            return []
        # An expanded object is never meant as the id it replaces.
        if not (choice is str and isinstance(value, dict) and len(choices) > 1):
            tried.append(wrong)
    return min(tried, key=len, default=[])


def _one(choice: Any, value: Any, path: str, found: list[str]) -> None:
    origin = get_origin(choice)
    if choice in _SCALARS:
        _scalar(choice, value, path, found)
    elif isinstance(choice, str | ForwardRef):
        _object(value, path, found)
    elif origin is Literal:
        if value not in get_args(choice):
            found.append(f"{path}: unknown value {value!r}")
    elif origin is list:
        _array(get_args(choice)[0], value, path, found)
    elif origin is ListObject:
        _list(value, path, found)
    elif origin is dict or _is_untyped(origin) or _is_untyped(choice):
        _map((get_args(choice) or (Any,))[-1], value, path, found)
    elif not isinstance(value, dict):
        found.append(f"{path}: expected an object, got {value!r}")
    else:
        _struct(choice, value, path, found)


def _is_untyped(cls: Any) -> bool:
    return inspect.isclass(cls) and issubclass(cls, UntypedStripeObject)


def _array(annotation: Any, value: Any, path: str, found: list[str]) -> None:
    if not isinstance(value, list):
        found.append(f"{path}: expected a list, got {value!r}")
        return
    for index, item in enumerate(value):
        _value(annotation, item, f"{path}[{index}]", found)


def _map(annotation: Any, value: Any, path: str, found: list[str]) -> None:
    if not isinstance(value, dict):
        found.append(f"{path}: expected a map, got {value!r}")
        return
    for key, item in value.items():
        _value(annotation, item, f"{path}.{key}", found)


def _list(value: Any, path: str, found: list[str]) -> None:
    well_formed = (
        isinstance(value, dict)
        and value.get("object") == "list"
        and isinstance(value.get("data"), list)
        and isinstance(value.get("has_more"), bool)
        and isinstance(value.get("url"), str)
    )
    if not well_formed:
        found.append(f"{path}: not a list object")
        return
    for index, item in enumerate(value["data"]):
        _object(item, f"{path}.data[{index}]", found)


# Decimals travel as strings. A bool is an int to Python but not to Stripe.
_SCALARS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    bool: (bool,),
    int: (int,),
    float: (int, float),
    Decimal: (str,),
}


def _scalar(kind: Any, value: Any, path: str, found: list[str]) -> None:
    wrong_bool = isinstance(value, bool) and kind is not bool
    if wrong_bool or not isinstance(value, _SCALARS[kind]):
        found.append(f"{path}: expected {kind.__name__}, got {value!r}")
