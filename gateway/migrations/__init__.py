"""The database's shape, as reviewed SQL: `versions/NNNN_what.sql`, applied in order by alembic.

Run by the owner's role through `gateway migrate`; the application's role is given its rights here
and owns nothing.
"""

from functools import cache
from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"


@cache
def head() -> str:
    """The newest version there is code for."""
    return max(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
