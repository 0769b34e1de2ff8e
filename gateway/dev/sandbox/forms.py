"""Stripe's bracket syntax, `a[b][0]=c`, as nested dicts and lists. Knows no parameter by name."""

import re
from typing import Any
from urllib.parse import parse_qsl

_KEY = re.compile(r"[^\[\]]+(?:\[[^\[\]]*\])*")


class MalformedForm(ValueError):
    """The body contradicts itself, such as `a=1&a[b]=2`."""


def parse(body: str) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for key, value in pairs(body):
        if not _KEY.fullmatch(key):
            raise MalformedForm(f"Invalid parameter name: {key}")
        _put(root, re.findall(r"[^\[\]]+|(?<=\[)(?=\])", key), value, key)
    return {name: _lists(node) for name, node in root.items()}


def _put(node: dict[str, Any], parts: list[str], value: str, key: str) -> None:
    for part in parts[:-1]:
        child = node.setdefault(part or str(len(node)), {})
        if not isinstance(child, dict):
            raise MalformedForm(f"Invalid hash: {key}")
        node = child
    last = parts[-1] or str(len(node))
    if isinstance(node.get(last), dict):
        raise MalformedForm(f"Invalid hash: {key}")
    node[last] = value


def _lists(node: Any) -> Any:
    """Hashes whose keys are all indexes are arrays."""
    if not isinstance(node, dict):
        return node
    children = {key: _lists(child) for key, child in node.items()}
    if children and all(key.isdecimal() for key in children):
        return [children[key] for key in sorted(children, key=int)]
    return children


def pairs(body: str) -> list[tuple[str, str]]:
    return parse_qsl(body, keep_blank_values=True)
