"""A merchant's own row. Another merchant's, or the other mode's, is not there."""

from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.kernel.errors import NotFound
from gateway.kernel.http import Caller
from gateway.kernel.stateful import Recorded

Row = TypeVar("Row", bound=Recorded)


def own(tx: Session, caller: Caller, model: type[Row], id: str) -> Row:
    """The row, not locked. Raises `NotFound`."""
    kind: Any = model
    mine = {"merchant_id": caller.merchant_id, "livemode": caller.livemode}
    row: Row | None = tx.scalar(select(kind).filter_by(id=id, **mine))
    if row is None:
        raise NotFound(f"There is no {model.KIND} {id!r}.")
    return row
