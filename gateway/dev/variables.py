"""Keeps the table of environment variables in `docs/operations.md` what `.env.example` says.

python -m gateway.dev.variables

A test asks the settings themselves what is required and which default holds.
"""

import re
from dataclasses import dataclass

from gateway.dev.places import ROOT

EXAMPLE, PAGE = ROOT / ".env.example", ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- variables: python -m gateway.dev.variables -->\n", "<!-- end of variables -->\n"
_LINE = re.compile(r"(?P<optional># )?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")


@dataclass(frozen=True)
class Variable:
    name: str
    why: str
    default: str | None  # None: it is required


def variables() -> list[Variable]:
    """Every variable of `.env.example`, with the comment before it; `# ` says it may be unset."""
    found: list[Variable] = []
    why: list[str] = []
    for line in EXAMPLE.read_text().splitlines():
        if match := _LINE.fullmatch(line):
            default = match["value"] if match["optional"] else None
            found.append(Variable(match["name"], " ".join(why), default))
            why = []
        elif not line or line.startswith("# --- "):
            why = []
        else:
            why.append(line.removeprefix("# "))
    return found


def table() -> str:
    rows = [f"| `{each.name}` | {_default(each)} | {each.why} |" for each in variables()]
    return "\n".join(["| variable | default | why |", "| --- | --- | --- |", *rows]) + "\n"


def _default(variable: Variable) -> str:
    if variable.default is None:
        return "**required**"
    return f"`{variable.default}`" if variable.default else "empty"


def page(text: str) -> str:
    """The page with a fresh table in its place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
