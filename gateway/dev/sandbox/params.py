"""Checks requests against the parameter types of stripe-python, which match the pinned API version.

Enums are treated as closed although the SDK types them open: an unknown value is a mistake.
Lengths and formats are not in the types; the operations have those rules. Never looks at state.
"""

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, NotRequired, Optional, Union, get_args, get_origin, get_type_hints

import typing_extensions
from stripe._request_options import RequestOptions

from gateway.dev.sandbox import forms

# The parameter types inherit the SDK's call options, which never travel in a body.
_OPTIONS = frozenset(RequestOptions.__annotations__)
_NAMES = {"StripeContext": str, "Mapping": Mapping, "Optional": Optional}


@dataclass(frozen=True)
class Problem:
    param: str
    message: str
    code: str | None = None


@dataclass(frozen=True)
class Read:
    """What the body says, converted to Python values, and what is wrong with it."""

    values: dict[str, Any]
    problems: list[Problem]


def problems(params_type: Any, form_body: str) -> list[Problem]:
    """Everything wrong with a form-encoded body or query, for a `*Params` type."""
    return read(params_type, form_body).problems


def read(params_type: Any, form_body: str) -> Read:
    try:
        form = forms.parse(form_body)
    except forms.MalformedForm as error:
        return Read({}, [Problem("", str(error))])
    found: list[Problem] = []
    return Read(_struct(params_type, form, "", found), found)


@cache
def _fields(params_type: Any) -> dict[str, tuple[Any, bool]]:
    """Name -> (annotation, required)."""
    hints = get_type_hints(params_type, localns=_NAMES, include_extras=True)
    fields = {}
    for name, annotation in hints.items():
        if name in _OPTIONS:
            continue
        optional = get_origin(annotation) in (NotRequired, typing_extensions.NotRequired)
        fields[name] = (get_args(annotation)[0] if optional else annotation, not optional)
    return fields


@cache
def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(choice for part in get_args(annotation) for choice in _choices(part))
    return () if annotation is type(None) else (annotation,)


def _struct(params_type: Any, value: Any, path: str, found: list[Problem]) -> dict[str, Any]:
    if not isinstance(value, dict):
        found.append(Problem(path, "Invalid object", "parameter_invalid_hash"))
        return {}
    fields = _fields(params_type)
    result = {}
    for name, given in value.items():
        inner = _join(path, name)
        if name in fields:
            result[name] = _value(fields[name][0], given, inner, found)
        else:
            found.append(
                Problem(inner, f"Received unknown parameter: {inner}", "parameter_unknown")
            )
    for name, (_, required) in fields.items():
        if required and name not in value:
            inner = _join(path, name)
            found.append(Problem(inner, f"Missing required param: {inner}.", "parameter_missing"))
    return result


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _value(annotation: Any, value: Any, path: str, found: list[Problem]) -> Any:
    choices = _choices(annotation)
    words = [
        word for choice in choices if get_origin(choice) is Literal for word in get_args(choice)
    ]
    if words and isinstance(value, str):
        if value in words:
            return value
        if words != [""]:
            found.append(
                Problem(path, f"Invalid {path}: must be one of {', '.join(map(str, words))}")
            )
            return value
    tried: list[list[Problem]] = []
    for choice in choices:
        if get_origin(choice) is Literal:
            continue
        wrong: list[Problem] = []
        result = _one(choice, value, path, wrong)
        if not wrong:
            return result
        tried.append(wrong)
    fewest = sorted(tried, key=len)
    found.extend(fewest[0] if fewest else [Problem(path, "Invalid value")])
    return value


def _one(choice: Any, value: Any, path: str, found: list[Problem]) -> Any:
    origin = get_origin(choice)
    if choice in _SCALARS:
        return _scalar(choice, value, path, found)
    if origin is list:
        return _array(get_args(choice)[0], value, path, found)
    if typing_extensions.is_typeddict(choice):
        return _struct(choice, value, path, found)
    if origin is dict or getattr(origin, "__name__", "") == "UntypedStripeObject":
        return _map(get_args(choice)[-1], value, path, found)
    return value


def _array(annotation: Any, value: Any, path: str, found: list[Problem]) -> list[Any]:
    if not isinstance(value, list):
        found.append(Problem(path, "Invalid array"))
        return []
    return [_value(annotation, item, f"{path}[{i}]", found) for i, item in enumerate(value)]


def _map(annotation: Any, value: Any, path: str, found: list[Problem]) -> dict[str, Any]:
    if isinstance(value, list):  # `metadata[0]=a` has an index for a key.
        value = {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, dict):
        found.append(Problem(path, "Invalid object", "parameter_invalid_hash"))
        return {}
    return {key: _value(annotation, item, f"{path}[{key}]", found) for key, item in value.items()}


def _scalar(kind: Any, value: Any, path: str, found: list[Problem]) -> Any:
    convert, code, what = _SCALARS[kind]
    if isinstance(value, str):
        try:
            return convert(value)
        except (ValueError, InvalidOperation):
            pass
    found.append(Problem(path, f"Invalid {what}: {value}", code))
    return value


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise ValueError(text)
    return int(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


_SCALARS: dict[Any, tuple[Callable[[str], Any], str | None, str]] = {
    str: (str, "parameter_invalid_string", "string"),
    int: (_integer, "parameter_invalid_integer", "integer"),
    bool: (_boolean, None, "boolean"),
    float: (float, None, "number"),
    Decimal: (Decimal, None, "decimal"),
}
