"""The code as a tree: what every architecture test walks over."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gateway import app  # noqa: F401 - imports every domain, so every life cycle is known
from gateway.kernel.stateful import Recorded, Stateful

ROOT = Path(__file__).parents[2]


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def product() -> list[Path]:
    return files("gateway", "workers")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    """`b` of `a.b(...)`, or `b` of `b(...)`."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def kinds(base: type = Stateful) -> list[type[Stateful]]:
    """Every class of rows with a life cycle."""
    found: list[type[Stateful]] = []
    for child in base.__subclasses__():
        found += ([child] if child is not Recorded else []) + kinds(child)
    return [kind for kind in found if kind.__module__.startswith("gateway.")]
