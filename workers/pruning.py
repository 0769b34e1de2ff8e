"""What is kept for a time: idempotency keys, runs, calls, heartbeats. Never money or events."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, any_, func, literal_column, select
from sqlalchemy import delete as bulk_delete  # noqa: TID251 - bookkeeping that has served its time
from sqlalchemy.orm import Session

from gateway.kernel.db import now
from gateway.kernel.heartbeats import Heartbeat
from gateway.kernel.idempotency import KEPT_DAYS, IdempotencyKey
from gateway.kernel.runs import Run, RunStatus
from gateway.payments.models import StripeCall

BATCH = 1000  # short transactions: nobody waits for a pruning
RUNS_KEPT_DAYS = CALLS_KEPT_DAYS = 90


def step(tx: Session, run: Run) -> bool:
    """One batch of each kind; the run ends with the first step that finds nothing."""
    ancient_run = Run.created_at < now(tx) - timedelta(days=RUNS_KEPT_DAYS)
    gone = (
        _prune(tx, IdempotencyKey, IdempotencyKey.created_at < now(tx) - timedelta(days=KEPT_DAYS))
        + _prune(tx, Run, ancient_run, Run.status != RunStatus.PENDING)
        + _prune(tx, StripeCall, StripeCall.answered_at < now(tx) - timedelta(days=CALLS_KEPT_DAYS))
        + _prune(tx, Heartbeat, Heartbeat.seen_at < func.now() - timedelta(days=1))
    )
    run.done += gone
    if gone == 0:
        run.finish(tx, RunStatus.SUCCEEDED, total=run.done)
    return gone == 0


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
