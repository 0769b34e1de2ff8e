"""The sandbox stands beside the product: it imports none of it, so it cannot lean on it."""

import ast
from pathlib import Path

import gateway.dev.sandbox

PACKAGE = "gateway.dev.sandbox"


def imported_by(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_it_imports_nothing_of_the_product():
    files = sorted(Path(gateway.dev.sandbox.__file__).parent.glob("*.py"))
    names = {name for file in files for name in imported_by(file)}

    ours = {name for name in names if name.split(".")[0] in ("gateway", "workers")}

    assert len(files) > 20
    assert {name for name in ours if not name.startswith(PACKAGE)} == set()
