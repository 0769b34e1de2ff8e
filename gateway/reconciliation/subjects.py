"""The payments that a run has still to ask about: a table, so that nothing of it is in memory.

Runs inside the caller's transaction. A payment goes out of it with the transaction that writes down
what Stripe says, or is left to the polls.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, exists, func, literal, or_, select, text
from sqlalchemy import delete as bulk_delete  # noqa: TID251 - bookkeeping of a run
from sqlalchemy import update as bulk_update  # noqa: TID251 - a due time is no change of state
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from gateway.kernel.runs import Run, RunStatus
from gateway.payments.models import OPEN, Payment
from gateway.processor.lists import PER_PAGE, Window, is_live
from gateway.reconciliation.discrepancies import IS_OPEN
from gateway.reconciliation.models import Discrepancy, RunSubject

PAGES_ARE_OPEN = timedelta(hours=26)  # Stripe's are for a day
LONG_STATEMENT = "SET LOCAL statement_timeout = 60000"
# A run that goes on will ask about it, a hundred at once: a poll of its own would be one too many.
# One that has come to a stop is not waited for.
WITH_A_RUN = exists().where(
    RunSubject.payment_id == Payment.id,
    Run.id == RunSubject.run_id,
    Run.status == RunStatus.PENDING,
    Run.attempts <= 3,
    Run.needs_attention.is_(None),
)


def write_down(tx: Session, run: Run, window: Window) -> int:
    """The payments to be answered for: those of the window, and of any age those not at an end,
    that wait for a refund or a dispute, or of which something differs. Returns how many.
    """
    tx.execute(text(LONG_STATEMENT))
    asked = or_(Payment.stripe_session_id.is_not(None), Payment.due_at.is_not(None))
    in_window = Payment.created_at.between(window.since, window.until)
    differs = exists().where(Discrepancy.payment_id == Payment.id, IS_OPEN)
    unfinished = or_(Payment.due_at.is_not(None), Payment.status.in_(OPEN), differs)
    meant = select(literal(run.id), Payment.id).where(
        Payment.livemode == is_live(),
        asked,
        Payment.created_at < run.created_at,
        or_(in_window, unfinished),
    )
    added = tx.execute(upsert(RunSubject).from_select(["run_id", "payment_id"], meant))
    return int(added.rowcount)  # type: ignore[attr-defined]


def worth_listing(tx: Session, run: Run, since: datetime) -> datetime:
    """From when on to read sessions by the page: from before the window, if those of the subjects
    that are somewhat older make more questions than there are pages.
    """
    mine = exists().where(RunSubject.run_id == run.id, RunSubject.payment_id == Payment.id)
    stretch = Payment.created_at.between(since - PAGES_ARE_OPEN, since)
    asked = Payment.stripe_session_id.is_not(None)
    older = select(func.count(), func.min(Payment.created_at)).where(mine, asked, stretch)
    questions, oldest = tx.execute(older).one()
    if not questions:
        return since
    between = select(func.count()).where(Payment.created_at.between(oldest, since))
    pages = (tx.scalar(between) or 0) // PER_PAGE + 1
    return min(oldest, since) if pages < questions else since


def hurry(tx: Session, run: Run) -> None:
    """What Stripe has not answered at all yet is asked again now, however long it was to wait."""
    later = Payment.due_at > func.gateway_now()
    _make_due(tx, run, Payment.stripe_session_id.is_(None), later)


def leave_to_polls(tx: Session, run: Run, *, most: int) -> bool:
    """Each is asked about once by itself, whatever it was to wait for, and at an end or not. Of
    `most` at a time; False when none is left.
    """
    mine = select(RunSubject.payment_id).filter_by(run_id=run.id)
    some = list(tx.scalars(mine.order_by(RunSubject.payment_id).limit(most)))
    later = or_(Payment.due_at.is_(None), Payment.due_at > func.gateway_now())
    asked = Payment.stripe_session_id.is_not(None)
    _make_due(tx, run, Payment.id.in_(some), asked, later, polled=True)
    answered(tx, run, RunSubject.payment_id.in_(some))
    return bool(some)


def _make_due(tx: Session, run: Run, *conditions: ColumnElement[bool], **values: bool) -> None:
    mine = exists().where(RunSubject.run_id == run.id, RunSubject.payment_id == Payment.id)
    meant = select(Payment.id).where(mine, *conditions).order_by(Payment.id)
    held = meant.with_for_update(key_share=True).scalar_subquery()
    tx.execute(
        bulk_update(Payment)
        .where(Payment.id.in_(held))
        .values(due_at=func.gateway_now(), **values)
        .execution_options(synchronize_session=False)
    )


def add(tx: Session, run: Run, payment_ids: set[str]) -> None:
    """More to be asked about one by one."""
    rows = [{"run_id": run.id, "payment_id": each} for each in sorted(payment_ids)]
    if rows:
        tx.execute(upsert(RunSubject).on_conflict_do_nothing(), rows)


def answered(tx: Session, run: Run, *conditions: ColumnElement[bool]) -> None:
    """Those of the run's subjects that meet the conditions need not be asked about any more."""
    mine = bulk_delete(RunSubject).where(RunSubject.run_id == run.id, *conditions)
    tx.execute(mine.execution_options(synchronize_session=False))


def some(tx: Session, run: Run, *, most: int) -> list[tuple[str, str]]:
    """Some payments to be asked about by themselves, with their sessions: free ones only, and any
    of them, so that a few without an answer do not stand before all others.
    """
    free = or_(Payment.leased_until.is_(None), Payment.leased_until <= func.gateway_now())
    rows = _with_session(run).where(free).order_by(func.random()).limit(most)
    return [(id, session) for id, session in tx.execute(rows) if session]


def are_left(tx: Session, run: Run) -> bool:
    return tx.execute(_with_session(run).limit(1)).first() is not None


def _with_session(run: Run) -> Select[str, str | None]:
    mine = select(Payment.id, Payment.stripe_session_id)
    mine = mine.join(RunSubject, RunSubject.payment_id == Payment.id)
    return mine.where(RunSubject.run_id == run.id, Payment.stripe_session_id.is_not(None))


def left(tx: Session, run: Run) -> int:
    return tx.scalar(select(func.count()).select_from(RunSubject).filter_by(run_id=run.id)) or 0
