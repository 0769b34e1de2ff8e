"""Stripe's rules for metadata: how much of it there may be, and how an update merges."""

from typing import Any

from gateway.dev.sandbox.errors import invalid


def check(metadata: Any, path: str = "metadata") -> None:
    entries = metadata or {}
    if len(entries) > 50:
        raise invalid("Metadata can have up to 50 keys.", param=path)
    for key, value in entries.items():
        if len(key) > 40:
            raise invalid(f"Metadata keys can be up to 40 characters: {key}", param=path)
        if len(value) > 500:
            raise invalid("Metadata values can be up to 500 characters.", param=f"{path}[{key}]")


def merged(before: dict[str, str], changes: Any) -> dict[str, str]:
    """An empty value removes its key, and an empty whole removes them all."""
    if changes is None:
        return before
    if not changes:
        return {}
    check(changes)
    return {key: value for key, value in (before | changes).items() if value != ""}
