"""Cursor pages: newest first, by id, which sorts by birth. A page never shifts under its reader."""

from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from gateway.kernel.errors import Invalid

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page:
    data: list[Any]
    has_more: bool


def page(
    tx: Session,
    mine: Select[Any],
    model: Any,
    *filters: ColumnElement[bool],
    limit: int,
    starting_after: str | None,
) -> Page:
    """`mine` is what the caller may see; `starting_after` is the id of one of them, whether or
    not it still meets the filters.
    """
    rows = mine.where(*filters)
    if starting_after is not None:
        known = mine.with_only_columns(model.id).where(model.id == starting_after)
        if tx.scalar(select(known.exists())) is not True:
            raise Invalid.param("starting_after", f"{starting_after!r} is no id of this list.")
        rows = rows.where(model.id < starting_after)
    found = list(tx.scalars(rows.order_by(model.id.desc()).limit(limit + 1)))
    return Page(data=found[:limit], has_more=len(found) > limit)
