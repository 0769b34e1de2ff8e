"""Job runs: what the clock has started, how far it came and how it ended.

A run is a due row like any other: a worker takes it up, does a step, and makes it due again until
it is done. Its log is the row itself.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Index, func, or_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.kernel.db import Base, now
from gateway.kernel.stateful import Stateful, Transitions


class RunStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


HOUR, DAY = 3600, 86400

TRANSITIONS: Transitions = {
    None: (RunStatus.PENDING,),
    RunStatus.PENDING: (RunStatus.SUCCEEDED, RunStatus.FAILED),
}


class Job(NamedTuple):
    """A calendar job: one run in each period, from so many seconds after its beginning (UTC) on.
    `celerybeat_schedule.py` has the same times.
    """

    period: int
    at: int = 0


JOBS: Mapping[str, Job] = {
    "reconcile": Job(HOUR),
    "balance": Job(DAY, at=2 * HOUR + 20 * 60),
    "check": Job(DAY, at=2 * HOUR + 50 * 60),
    "prune": Job(DAY, at=3 * HOUR + 20 * 60),
}
# Who has not begun so many seconds after its time is overdue: beat, or its Redis, is not working.
OVERDUE_SECONDS = 5.0
PART = "part"  # in the parameters of a run that somebody has asked to do less, or otherwise


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
    """A run for this period, or None if it has one or the last still runs.

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


def _period(at: datetime, job: str, *, late: float = 0) -> int:
    """The number of the period that `at` is in, or was in `late` seconds before."""
    return int((at.timestamp() - JOBS[job].at - late) // JOBS[job].period)


def newest(tx: Session, job: str) -> Run | None:
    """The last run of the whole job; one that was told to do only a part does not count."""
    whole = or_(Run.params.is_(None), ~Run.params.has_key(PART))
    return tx.scalar(
        select(Run).filter_by(job=job).where(whole).order_by(Run.created_at.desc()).limit(1)
    )


def overdue(tx: Session) -> list[str]:
    """The jobs whose time has come and gone without a run, or that never had any."""
    found = []
    for job in JOBS:
        latest = newest(tx, job)
        wanted = _period(now(tx), job, late=OVERDUE_SECONDS)
        if latest is None or _period(latest.created_at, job) < wanted:
            found.append(job)
    return found
