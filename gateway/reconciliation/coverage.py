"""Which stretches of time have been compared, and which have not. Writes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from gateway.kernel.runs import Run
from gateway.payments.models import Payment
from gateway.processor.lists import is_live


@dataclass(frozen=True)
class Stretch:
    """A part of time, and whether everything of it was compared."""

    since: datetime
    until: datetime
    covered: bool


def has_compared(job: str) -> ColumnElement[bool]:
    """Runs that have, in this gateway's mode: what was test data says nothing about live ones."""
    same_mode = Run.params["livemode"].as_boolean() == is_live()
    return and_(Run.job == job, Run.covers_until.is_not(None), same_mode)


def first_payment(tx: Session) -> datetime | None:
    """When it was made. Ids sort by birth, and to find the first of them reads one row."""
    oldest = select(Payment.created_at).filter_by(livemode=is_live())
    return tx.scalar(oldest.order_by(Payment.id).limit(1))


def covered(tx: Session, job: str, *, after: datetime) -> Sequence[Any]:
    """Pairs of since and until, by since: what runs have compared of the time after that."""
    windows = select(Run.covers_since, Run.covers_until).where(
        has_compared(job), Run.covers_until > after
    )
    return tx.execute(windows.order_by(Run.covers_since)).all()


def stretches(windows: Iterable[Any], first: datetime, last: datetime) -> list[Stretch]:
    """`windows` are pairs of since and until, by since; they may overlap."""
    found: list[Stretch] = []
    at = first
    for since, until in windows:
        if until <= at or since >= last:
            continue
        if since > at:
            found.append(Stretch(at, since, covered=False))
            at = since
        if found and found[-1].covered:
            at = found.pop().since
        found.append(Stretch(at, min(until, last), covered=True))
        at = min(until, last)
    if at < last:
        found.append(Stretch(at, last, covered=False))
    return found
