"""How often Stripe is asked of our own accord: one turn after another, for all workers together.

A row holds when the next question may be put, so that any number of workers keep to one pace, and
a Stripe that says "too many" is left alone by all of them. News, and what merchants and shoppers
wait for, never queue here: only polls and reconciliation do. Counted by the wall's clock, because
Stripe's limits are (docs.stripe.com/rate-limits: 25 a second for an endpoint).
"""

import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from gateway.kernel.db import Base, transaction
from gateway.settings import settings

ACTOR = "stripe:pace"
# What all leave Stripe in peace for, once it has said that it was asked too often.
HOLD_BACK = timedelta(seconds=5)


class Pace(Base):
    __tablename__ = "stripe_pace"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # there is one
    free_at: Mapped[datetime]


_TABLE: Any = Pace.__table__
_NOW: Any = func.clock_timestamp()
_APART: Any = bindparam("apart")
_NEXT: Any = func.greatest(_TABLE.c.free_at, _NOW)
_FIRST = upsert(_TABLE).values(id=1, free_at=_NOW + _APART)
_TAKE = _FIRST.on_conflict_do_update(
    index_elements=[_TABLE.c.id],
    set_={"free_at": _NEXT + _APART},
    where=_TABLE.c.free_at <= _NOW + bindparam("within"),
).returning(_TABLE.c.free_at - _APART - _NOW)
# However many are told so in one moment, it is one pause.
_HOLD_BACK = _FIRST.on_conflict_do_update(
    index_elements=[_TABLE.c.id],
    set_={"free_at": func.greatest(_TABLE.c.free_at, _NOW + _APART)},
)


def turn(*, within: float) -> bool:
    """Wait for the next turn, up to `within` seconds; False, at once, if none is free until then.

    Never called in a transaction, nor while a row is claimed that others wait for.
    """
    apart = timedelta(seconds=1 / settings().reconcile_per_second)
    with transaction(actor=ACTOR) as tx:
        wait = tx.scalar(_TAKE, {"within": timedelta(seconds=within), "apart": apart})
    if wait is None:
        return False
    time.sleep(max(0.0, wait.total_seconds()))
    return True


def hold_back() -> None:
    """Stripe has said that it is asked too often: nobody takes a turn for a while.

    Raises nothing: what Stripe said is to be dealt with, whether or not the database can be told.
    """
    with suppress(SQLAlchemyError), transaction(actor=ACTOR) as tx:
        tx.execute(_HOLD_BACK, {"apart": HOLD_BACK})
