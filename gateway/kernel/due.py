"""Rows that owe something: claim one, do the work outside any transaction, settle it.

Due means `due_at <= gateway_now()` and no running lease. A claim never moves `due_at`, so that a
crash leaves the row due; `settle` moves it only if it is still the value read at the claim, so
that news which arrived meanwhile is looked at again.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar

from sqlalchemy import CTE, ColumnElement, and_, bindparam, case, func, or_, select
from sqlalchemy import update as bulk_update  # noqa: TID251 - a claim is not a change of state
from sqlalchemy.orm import Session

from gateway.kernel.db import now, remember_now
from gateway.kernel.stateful import Stateful

# Longer than a task takes: Stripe twice (connect 3 s, answer 10 s, one retry) and the rest. What
# can outlast it, a search among very many sessions or a payment ended by several slow calls,
# finds less to do at the next try; from `MAX_ATTEMPTS` on it has an hour.
LEASE_SECONDS = 60
# About half an hour of trying; from then on somebody should look, and hourly is enough.
MAX_ATTEMPTS = 30
SLOW_SECONDS = 3600
# Short, so that work goes on within a minute of the end of an outage of any length.
BACKOFF_CAP_SECONDS = 60
_NOW = func.gateway_now()

Owing = TypeVar("Owing", bound=Stateful)


@dataclass(frozen=True)
class Claim(Generic[Owing]):
    """The right to work on `row` until its lease ends or someone else claims it.

    `row` is as it was at the claim; write only to what is locked anew, if it `is_ours`.
    """

    row: Owing
    lease: int
    due_at: datetime
    at: datetime
    attempts: int


def is_due(model: type[Owing], now: Any = _NOW) -> ColumnElement[bool]:
    """Whether a row is due and free. `now` is for who has asked the clock in the same statement."""
    free = or_(model.leased_until.is_(None), model.leased_until <= now)
    return and_(model.due_at <= now, free)


def claim(
    tx: Session, model: type[Owing], id: str, *, when: ColumnElement[bool] | None = None
) -> Claim[Owing] | None:
    """Take the row if it is due and free, and `when`; never waits for another claimer.

    A row that keeps ending its worker is claimed hourly from `MAX_ATTEMPTS` on, and says so. The
    condition is made once by its task: a statement is kept for each there is.
    """
    kind: Any = model
    found = tx.execute(_claiming(kind, when), {"subject": id}).one_or_none()
    if found is None:
        return None
    row: Owing
    row, at = found
    remember_now(tx, at)
    assert row.due_at is not None  # noqa: S101 - the condition of the claim, told to mypy
    return Claim(row=row, lease=row.lease, due_at=row.due_at, at=now(tx), attempts=row.attempts)


@cache
def _claiming(model: Any, when: ColumnElement[bool] | None) -> Any:
    """Built once: on the way of every task, and dearer to build than to send."""
    table: Any = model.__table__
    free = (
        select(table.c.id)
        .where(table.c.id == bindparam("subject"), is_due(model))
        .with_for_update(skip_locked=True, key_share=True)
    )
    one = (free if when is None else free.where(when)).scalar_subquery()
    return (
        bulk_update(model)
        .where(table.c.id == one)
        .values(_leased(table))
        .returning(model, func.gateway_now())
        .execution_options(synchronize_session=False, populate_existing=True)
    )


@cache
def claiming_oldest(model: Any) -> CTE:
    """Part of a statement: claim up to `:most` of what is due and free, the longest due first.

    It gives the claimed rows. For a kind of which many small ones are due at once.
    """
    table: Any = model.__table__
    due = (
        select(table.c.id)
        .where(is_due(model))
        .order_by(table.c.due_at)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True, key_share=True)
        .cte("due")
    )
    claimed = bulk_update(table).where(table.c.id == due.c.id).values(_leased(table))
    return claimed.returning(*table.c).cte("claimed")


def _leased(table: Any) -> dict[str, Any]:
    tired = table.c.attempts >= MAX_ATTEMPTS
    length = case((tired, timedelta(seconds=SLOW_SECONDS)), else_=timedelta(seconds=LEASE_SECONDS))
    unfinished = func.coalesce(table.c.needs_attention, "No try has come to an end.")
    return {
        "lease": table.c.lease + 1,
        "attempts": table.c.attempts + 1,
        "leased_until": func.gateway_now() + length,
        "needs_attention": case((tired, unfinished), else_=table.c.needs_attention),
    }


def is_ours(row: Stateful, claimed: Claim[Any]) -> bool:
    """Fencing: whether nobody claimed the row since. Read it under the row's lock."""
    return row.lease == claimed.lease


def settle(
    tx: Session,
    row: Stateful,
    claimed: Claim[Any],
    *,
    due_in: float | None,
    attention: str | None = None,
) -> None:
    """The try came to an end: nothing more is owed, or not before `due_in` seconds from now.

    `attention` is what somebody should look at all the same.
    """
    row.leased_until = None
    row.attempts = 0
    row.needs_attention = attention
    if row.due_at == claimed.due_at:
        row.due_at = None if due_in is None else now(tx) + timedelta(seconds=due_in)


def postpone(
    tx: Session, row: Stateful, claimed: Claim[Any], *, why: str, attention: bool = False
) -> None:
    """The try failed without a definite answer: another one later, hourly once it is hopeless.

    What somebody was asked to look at before stays; it may not be about this try.
    """
    row.leased_until = None
    hopeless = attention or row.attempts >= MAX_ATTEMPTS
    if hopeless:
        row.needs_attention = row.needs_attention or why
    if row.due_at == claimed.due_at:
        row.due_at = now(tx) + timedelta(
            seconds=SLOW_SECONDS if hopeless else backoff(row.attempts)
        )


def backoff(attempts: int) -> float:
    """Seconds until the next try: 1, 2, 4, ... up to the cap, spread by a fifth either way."""
    return min(BACKOFF_CAP_SECONDS, 2.0 ** max(0, attempts - 1)) * random.uniform(0.8, 1.2)  # noqa: S311
