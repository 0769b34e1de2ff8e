"""One reconciliation run: what it reads, how far it is, and when it is done.

Phase after phase a page is read at Stripe; where the run stands is stored with the page it has
read, so that one that is killed goes on and two at once do no harm. Nothing here asks Stripe.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, literal, or_, select, text
from sqlalchemy import delete as bulk_delete  # noqa: TID251 - bookkeeping of a run
from sqlalchemy import update as bulk_update  # noqa: TID251 - a due time is no change of state
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import now
from gateway.kernel.due import Claim
from gateway.kernel.runs import PART, Run, RunStatus
from gateway.payments.models import OPEN, Payment
from gateway.processor.lists import Window, is_live
from gateway.reconciliation.compare import Difference
from gateway.reconciliation.models import RunSubject
from gateway.stripe_events import service as stripe_events

JOB = "reconcile"
# In this order: what a session tells says most about a payment, and events name what is older.
PAGED = ("sessions", "intents", "refunds", "disputes", "events")
SINGLES, WAITING = "singles", "waiting"
PHASES = (*PAGED, SINGLES, WAITING)
STEP_SECONDS = 0.5  # between two steps that ask nothing
GIVE_UP_AFTER = timedelta(minutes=50)  # without a step forward; the next one begins hourly
# Read twice, for what Stripe has listed late.
OVERLAP = timedelta(hours=2)
FARTHEST = timedelta(days=30)  # as long as Stripe keeps its events
# A run that goes on will ask about it, a hundred at once: a poll of its own would be one too many.
WITH_A_RUN = exists().where(RunSubject.payment_id == Payment.id)
LONG_STATEMENT = "SET LOCAL statement_timeout = 60000"


@dataclass(frozen=True)
class Place:
    """Where a run stands. `at` is when this step began, by the gateway's clock."""

    run: Run
    phase: str
    window: Window
    cursor: str | None
    at: datetime
    found: list[Difference] = field(default_factory=list)  # of a run that only looks

    @property
    def dry(self) -> bool:
        """Look only: nothing is believed, nothing written down but the run."""
        return bool(_params(self.run)["dry_run"])


@dataclass(frozen=True)
class Heard:
    """A page or a few single answers: how many, and what follows. None: no more of its kind."""

    count: int
    cursor: str | None = None
    more: bool = False
    found: Sequence[Difference] = ()


def place(claimed: Claim[Run]) -> Place | None:
    """None before the first step."""
    params = _params(claimed.row)
    if "phase" not in params:
        return None
    since, until = (datetime.fromisoformat(params[name]) for name in ("since", "until"))
    return Place(claimed.row, params["phase"], Window(since, until), params["cursor"], claimed.at)


def advance(tx: Session, run: Run, heard: Heard | None) -> bool:
    """Begin, or keep how far it came. True when the run has ended."""
    params = _params(run)
    if "phase" not in params:
        _begin(tx, run)
    elif params["phase"] == WAITING:
        _wait(tx, run)
    elif heard is not None:
        read = params["read"] | {params["phase"]: params["read"][params["phase"]] + heard.count}
        after = params["phase"] if heard.more else PHASES[PHASES.index(params["phase"]) + 1]
        found = _once([*params["found"], *map(asdict, heard.found)])
        run.params = params | {
            "read": read,
            "phase": after,
            "cursor": heard.cursor,
            "found": found,
            "moved_at": now(tx).isoformat(),
        }
        run.done = max(run.done, (run.total or 0) - _left(tx, run))
        run.due_at = now(tx)
    give_up_in_time(tx, run)
    return run.status != RunStatus.PENDING


def _once(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A payment may be looked at again, because of an event or of what a page has left out."""
    return list({(each["kind"], each["subject"]): each for each in found}.values())


def _params(run: Run) -> dict[str, Any]:
    return run.params or {}


def _begin(tx: Session, run: Run) -> None:
    asked = _params(run)
    stripe_events.match_again(tx)
    until = _time(asked.get("until")) or run.created_at
    since = _time(asked.get("since")) or _beginning(tx, until)
    part = {PART: True} if PART in asked else {}
    run.params = part | {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "dry_run": bool(asked.get("dry_run")),
        "livemode": is_live(),
        "phase": PHASES[0],
        "cursor": None,
        "read": dict.fromkeys((*PAGED, SINGLES), 0),
        "found": [],
    }
    run.total = _write_down_subjects(tx, run, Window(since, until))
    _hurry(tx, run)
    run.due_at = now(tx)
    crashpoint("reconcile begun")


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _beginning(tx: Session, until: datetime) -> datetime:
    """Where the last run ended, or where everything began."""
    covered = select(func.max(Run.covers_until)).where(Run.job == JOB, Run.covers_until <= until)
    last = tx.scalar(covered)
    first = tx.scalar(select(func.min(Payment.created_at)))
    since = last - OVERLAP if last is not None else first or until - OVERLAP
    return max(min(since, until), until - FARTHEST)


def _write_down_subjects(tx: Session, run: Run, window: Window) -> int:
    """The payments to be answered for: those of the window, and of any age those not at an end, or
    that wait for a refund or a dispute. Returns how many.
    """
    tx.execute(text(LONG_STATEMENT))
    asked = or_(Payment.stripe_session_id.is_not(None), Payment.due_at.is_not(None))
    in_window = Payment.created_at.between(window.since, window.until)
    unfinished = or_(Payment.due_at.is_not(None), Payment.status.in_(OPEN))
    meant = select(literal(run.id), Payment.id).where(
        Payment.livemode == is_live(),
        asked,
        Payment.created_at < run.created_at,
        or_(in_window, unfinished),
    )
    added = tx.execute(upsert(RunSubject).from_select(["run_id", "payment_id"], meant))
    return int(added.rowcount)  # type: ignore[attr-defined]


def _hurry(tx: Session, run: Run) -> None:
    """What Stripe has not answered at all yet is asked again now, however long it was to wait."""
    mine = exists().where(RunSubject.run_id == run.id, RunSubject.payment_id == Payment.id)
    free = (
        select(Payment.id)
        .where(mine, Payment.stripe_session_id.is_(None), Payment.due_at > func.gateway_now())
        .order_by(Payment.id)
        .with_for_update(key_share=True)
        .scalar_subquery()
    )
    tx.execute(
        bulk_update(Payment)
        .where(Payment.id.in_(free))
        .values(due_at=func.gateway_now())
        .execution_options(synchronize_session=False)
    )


def add_subjects(tx: Session, run: Run, payment_ids: set[str]) -> None:
    """More to be asked about one by one."""
    rows = [{"run_id": run.id, "payment_id": each} for each in sorted(payment_ids)]
    if rows:
        tx.execute(upsert(RunSubject).on_conflict_do_nothing(), rows)


def answered(tx: Session, run: Run, *conditions: ColumnElement[bool]) -> None:
    """Those of the run's subjects that meet the conditions need not be asked about any more."""
    mine = bulk_delete(RunSubject).where(RunSubject.run_id == run.id, *conditions)
    tx.execute(mine.execution_options(synchronize_session=False))


def subjects(tx: Session, run: Run, *, most: int) -> list[tuple[str, str]]:
    """The next payments to be asked about by themselves, with their sessions: free ones only."""
    free = or_(Payment.leased_until.is_(None), Payment.leased_until <= func.gateway_now())
    rows = _with_session(run).where(free).order_by(Payment.id).limit(most)
    return [(id, session) for id, session in tx.execute(rows) if session]


def has_subjects(tx: Session, run: Run) -> bool:
    return tx.execute(_with_session(run).limit(1)).first() is not None


def _with_session(run: Run) -> Select[str, str | None]:
    mine = select(Payment.id, Payment.stripe_session_id)
    mine = mine.join(RunSubject, RunSubject.payment_id == Payment.id)
    return mine.where(RunSubject.run_id == run.id, Payment.stripe_session_id.is_not(None))


def _left(tx: Session, run: Run) -> int:
    return tx.scalar(select(func.count()).select_from(RunSubject).filter_by(run_id=run.id)) or 0


def _wait(tx: Session, run: Run) -> None:
    """Nothing is left but payments of which Stripe has no session yet: they are on their way."""
    heard = or_(Payment.checked_at >= run.created_at, Payment.due_at.is_(None))
    done = select(Payment.id).where(heard, Payment.id == RunSubject.payment_id)
    answered(tx, run, exists(done.correlate(RunSubject)))
    left = _left(tx, run)
    run.done = max(run.done, (run.total or 0) - left)
    if left == 0:
        _finish(tx, run)


def give_up_in_time(tx: Session, run: Run) -> None:
    """The next run goes on from where the last one that ended well had come to."""
    moved_at = _time(_params(run).get("moved_at")) or run.created_at
    if run.status != RunStatus.PENDING or now(tx) - moved_at <= GIVE_UP_AFTER:
        return
    left = _left(tx, run)
    answered(tx, run)
    run.finish(tx, RunStatus.FAILED, error=f"{left} payments had no answer in time.")


def _finish(tx: Session, run: Run) -> None:
    params = _params(run)
    covered = {}
    if not params["dry_run"]:
        covered = {
            "covers_since": datetime.fromisoformat(params["since"]),
            "covers_until": datetime.fromisoformat(params["until"]),
        }
    run.finish(tx, RunStatus.SUCCEEDED, total=max(run.total or 0, run.done), **covered)
