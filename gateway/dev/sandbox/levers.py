"""What every lever needs to read its request: a JSON body, a known object, one of some words."""

from collections.abc import Collection
from typing import Any

from flask import abort, request

from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.store import Object


def find(work: Work, kind: str, id: str) -> Object:
    obj = work.tx.get(kind, id)
    if obj is None:
        abort(404, f"No such {kind}: {id}")
    return obj


def body() -> dict[str, Any]:
    """An empty body means no wishes."""
    if not request.get_data():
        return {}
    given = request.get_json(force=True, silent=True)
    if not isinstance(given, dict):
        abort(422, "The body must be a JSON object.")
    return given


def choice(wishes: dict[str, Any], name: str, words: Collection[str]) -> str:
    word = wishes.get(name)
    if word not in words:
        abort(422, f"{name} must be one of {', '.join(words)}.")
    return str(word)
