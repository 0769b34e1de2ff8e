"""What is kept for a time: idempotency keys, runs, calls, heartbeats, and callbacks that arrived.

Never money or events. Of deliveries only what was delivered goes: what is exhausted or still waits
was never taken, and its merchant must be able to see it and send it again, however late.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, any_, exists, func, literal_column, select
from sqlalchemy import delete as bulk_delete  # noqa: TID251 - bookkeeping that has served its time
from sqlalchemy.orm import Session

from gateway.callbacks.models import Attempt, Delivery, DeliveryStatus
from gateway.kernel.db import now
from gateway.kernel.heartbeats import Heartbeat
from gateway.kernel.idempotency import KEPT_DAYS, IdempotencyKey
from gateway.kernel.runs import Run, RunStatus
from gateway.payments.models import StripeCall
from gateway.settings import settings

BATCH = 1000  # short transactions: nobody waits for a pruning
RUNS_KEPT_DAYS = CALLS_KEPT_DAYS = 90
PROOFS = (
    "reconcile",
    "balance",
)  # of what was compared, and when: kept like the money they tell of


def step(tx: Session, run: Run) -> bool:
    """One batch of each kind; the run ends with the first step that finds nothing more."""
    ancient_run = Run.created_at < now(tx) - timedelta(days=RUNS_KEPT_DAYS)
    gone = (
        _prune(tx, IdempotencyKey, IdempotencyKey.created_at < now(tx) - timedelta(days=KEPT_DAYS))
        + _prune(tx, Run, ancient_run, Run.status != RunStatus.PENDING, Run.job.not_in(PROOFS))
        + _prune(tx, StripeCall, StripeCall.answered_at < now(tx) - timedelta(days=CALLS_KEPT_DAYS))
        + _prune(tx, Heartbeat, Heartbeat.seen_at < func.now() - timedelta(days=1))
    )
    told, more = _callbacks(tx, run)
    gone += told
    run.done += gone
    if gone or more:
        return False
    run.finish(tx, RunStatus.SUCCEEDED, total=run.done)
    return True


def _callbacks(tx: Session, run: Run) -> tuple[int, bool]:
    """Attempts first: a delivery goes when it has none left, not even a later one by hand."""
    before = now(tx) - timedelta(days=settings().deliveries_kept_days)
    gone, more = _walk(tx, run, Attempt, Attempt.started_at < before)
    if more:
        return gone, more
    alone = ~exists().where(Attempt.delivery_id == Delivery.id)
    taken = Delivery.status == DeliveryStatus.DELIVERED
    told, more = _walk(tx, run, Delivery, Delivery.created_at < before, taken, alone)
    return gone + told, more


def _walk(
    tx: Session, run: Run, model: Any, old: ColumnElement[bool], *conditions: ColumnElement[bool]
) -> tuple[int, bool]:
    """How many of the next batch went, and whether there may be more that is old.

    Keys rise with age, and the run remembers where it stands: so each step costs what its batch
    does, however much is kept behind it, and what stays is passed over once a night. (A BRIN index
    on the time would be of use for as long as pruning left its room empty: young rows move in.)
    """
    stands: dict[str, Any] = run.params or {}
    rows = select(model.id, old).order_by(model.id).limit(BATCH)
    if model.__tablename__ in stands:
        rows = rows.where(model.id > stands[model.__tablename__])
    batch = tx.execute(rows).all()
    if not batch:
        return 0, False
    run.params = stands | {model.__tablename__: batch[-1][0]}
    aged = [id for id, is_old in batch if is_old]
    # Nobody waits for it, and it waits for nobody: what is being worked on is left for a night.
    free = select(model.id).where(model.id.in_(aged), *conditions).with_for_update(skip_locked=True)
    gone = tx.execute(
        bulk_delete(model).where(model.id.in_(free)).execution_options(synchronize_session=False)
    )
    return int(gone.rowcount), len(batch) == BATCH and batch[-1][1]  # type: ignore[attr-defined]


def _prune(tx: Session, model: Any, *conditions: ColumnElement[bool]) -> int:
    row: ColumnElement[Any] = literal_column(
        "ctid"
    )  # deleting by place needs no key and works for every table
    batch = select(row).select_from(model).where(*conditions).limit(BATCH)
    gone = tx.execute(
        bulk_delete(model)
        .where(row == any_(func.array(batch.scalar_subquery())))
        .execution_options(synchronize_session=False)
    )
    return int(gone.rowcount)  # type: ignore[attr-defined]
