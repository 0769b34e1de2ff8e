"""Job runs: what the clock has started, how far it came and how it ended.

A run is a due row like any other: a worker takes it up, does a step, and makes it due again until
it is done. Its log is the row itself.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.kernel.db import Base, now
from gateway.kernel.stateful import Stateful, Transitions


class RunStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


TRANSITIONS: Transitions = {
    None: (RunStatus.PENDING,),
    RunStatus.PENDING: (RunStatus.SUCCEEDED, RunStatus.FAILED),
}

# Every calendar job and its period in seconds; `celerybeat_schedule.py` says at which minute.
JOBS: Mapping[str, int] = {"reconcile": 3600, "balance": 86400, "check": 86400, "prune": 86400}
# A period that is a quarter over without a run is overdue: beat, or its Redis, is not working.
OVERDUE_AFTER = 0.25


class Run(Stateful, Base):
    __tablename__ = "runs"
    KIND, PREFIX, TRANSITIONS = "run", "run", TRANSITIONS

    job: Mapped[str]
    total: Mapped[int | None]  # how much there was to do, once that is known
    done: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    subject_id: Mapped[str | None]  # the row it is about, if it is about one
    params: Mapped[dict[str, Any] | None]  # what it was told, and where it stands
    finished_at: Mapped[datetime | None]
    # Of what it compared everything from then until then, once it has ended well.
    covers_since: Mapped[datetime | None]
    covers_until: Mapped[datetime | None]

    __table_args__ = (
        Index("runs_job_idx", "job", "created_at"),
        Index(
            "runs_covers_idx",
            "job",
            "covers_until",
            postgresql_where=text("covers_until IS NOT NULL"),
        ),
        Index("runs_attention_idx", "id", postgresql_where=text("needs_attention IS NOT NULL")),
        Index("runs_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "runs_subject_idx", "subject_id", "id", postgresql_where=text("subject_id IS NOT NULL")
        ),
    )

    def finish(self, tx: Session, status: RunStatus, **changes: Any) -> None:
        self.transition_to(status, finished_at=now(tx), due_at=None, **changes)


def start(tx: Session, job: str, **fields: Any) -> Run:
    """A run that is due now, whatever ran before (somebody's wish)."""
    return Run.start(tx, job=job, due_at=now(tx), **fields)


def start_scheduled(tx: Session, job: str) -> Run | None:
    """A run for this period (an hour, a day), or None if it has one or the last still runs.

    So a repeated start, by two schedulers or a repeated message, does nothing.
    """
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"runs:{job}"))))
    latest = newest(tx, job)
    if latest is not None and (
        latest.status == RunStatus.PENDING
        or _period(latest.created_at, job) == _period(now(tx), job)
    ):
        return None
    return start(tx, job)


def _period(at: datetime, job: str) -> int:
    return int(at.timestamp() // JOBS[job])


def newest(tx: Session, job: str) -> Run | None:
    return tx.scalar(select(Run).filter_by(job=job).order_by(Run.created_at.desc()).limit(1))


def overdue(tx: Session) -> list[str]:
    """The jobs that have had no run in a period that is well under way, or never had any."""
    found = []
    for job, period in JOBS.items():
        latest = newest(tx, job)
        late = now(tx).timestamp() % period > period * OVERDUE_AFTER
        if latest is None or (late and _period(latest.created_at, job) != _period(now(tx), job)):
            found.append(job)
    return found
