"""One reconciliation run: what it reads, how far it is, and when it is done.

Phase after phase a page is read at Stripe; where the run stands is stored with the page it has
read, so that one that is killed goes on and two at once do no harm. Nothing here asks Stripe.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import lock, now
from gateway.kernel.due import MAX_ATTEMPTS, Claim
from gateway.kernel.runs import PART, Run, RunStatus
from gateway.payments.models import Payment
from gateway.processor.lists import Window, is_live
from gateway.reconciliation import subjects
from gateway.reconciliation.compare import Difference
from gateway.reconciliation.coverage import covered, first_payment, stretches
from gateway.reconciliation.models import RunSubject
from gateway.stripe_events import service as stripe_events

JOB = "reconcile"
# In this order: what a session tells says most about a payment, and events name what is older.
PAGED = ("sessions", "intents", "refunds", "disputes", "events")
# What is asked for one by one: of what somebody was told, and payments that no page has shown.
TOLD, SINGLES, WAITING = "told", "singles", "waiting"
PHASES = (*PAGED, TOLD, SINGLES, WAITING)
STEP_SECONDS = 0.5  # between two steps that ask nothing
# Without a step forward, though tried so often; the next one begins hourly. Sooner than a try in
# vain is put off for long. Time alone says nothing: a gateway that was switched off has not tried.
GIVE_UP_AFTER = timedelta(minutes=20)
GIVE_UP_TRIES = 10
# Read twice, for what Stripe has listed late.
OVERLAP = timedelta(hours=2)
LEFT_AT_ONCE = 1000  # payments of a run that is given up, which a statement holds
MOST_TOLD = 1000  # differences that a run keeps which only looks
UNHEARD = "Not every payment had an answer in time; those are asked about again one by one."


@dataclass(frozen=True)
class Place:
    """Where a run stands. `at` is when this step began, by the gateway's clock."""

    run: Run
    phase: str
    window: Window
    cursor: str | None
    at: datetime

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


def place(claimed: Claim[Run]) -> Place | None:
    """None before the first step."""
    params = _params(claimed.row)
    if "phase" not in params:
        return None
    since = params["listed_since" if params["phase"] == "sessions" else "since"]
    window = Window(datetime.fromisoformat(since), datetime.fromisoformat(params["until"]))
    return Place(claimed.row, params["phase"], window, params["cursor"], claimed.at)


def advance(tx: Session, run: Run, heard: Heard | None) -> bool:
    """Begin, or keep how far it came. True when the run has ended."""
    params = _params(run)
    if "phase" not in params:
        _begin(tx, run)
    elif params["phase"] == WAITING:
        _wait(tx, run)
    elif heard is not None:
        read = params["read"] | {params["phase"]: _read(run) + heard.count}
        after = params["phase"] if heard.more else PHASES[PHASES.index(params["phase"]) + 1]
        moved = heard.count or after != params["phase"]
        where = {"read": read, "phase": after, "cursor": heard.cursor}
        run.params = params | where | (_moved(tx, run) if moved else {})
        run.done = max(run.done, (run.total or 0) - subjects.left(tx, run))
        run.due_at = now(tx)
    return run.status != RunStatus.PENDING


def count_read(at: Place) -> int:
    """How many of this phase have been read by now."""
    return _read(at.run)


def _read(run: Run) -> int:
    params = _params(run)
    return int(params["read"].get(params["phase"], 0))


def tell(tx: Session, at: Place, differences: Iterable[Difference]) -> None:
    """Of a run that only looks: keep what differs, in the transaction that ticks it off.

    Each once, though a payment may be looked at again, because of an event or of what a page has
    left out.
    """
    run = lock(tx, Run, at.run.id)
    params = _params(run)
    every = {(each["kind"], each["subject"]): each for each in params["found"]}
    every |= {(each.kind, each.subject): asdict(each) for each in differences}
    run.params = params | {"found": list(every.values())[:MOST_TOLD]}


def _moved(tx: Session, run: Run) -> dict[str, Any]:
    """When it came a step further, and with which of its leases: each is a try."""
    return {"moved_at": now(tx).isoformat(), "moved_lease": run.lease}


def _params(run: Run) -> dict[str, Any]:
    return run.params or {}


def _begin(tx: Session, run: Run) -> None:
    asked = _params(run)
    is_dry = bool(asked.get("dry_run"))
    if not is_dry:
        stripe_events.match_again(tx)
    until = _time(asked.get("until")) or run.created_at
    since = _beginning(tx, until, _time(asked.get("since")))
    run.total = subjects.write_down(tx, run, Window(since, until))
    part = {PART: True} if PART in asked else {}
    run.params = part | {
        "since": since.isoformat(),
        "listed_since": subjects.worth_listing(tx, run, since).isoformat(),
        "until": until.isoformat(),
        "dry_run": is_dry,
        "livemode": is_live(),
        "phase": PHASES[0],
        "cursor": None,
        "read": dict.fromkeys((*PAGED, TOLD, SINGLES), 0),
        "found": [],
        **_moved(tx, run),
    }
    if not is_dry:
        subjects.hurry(tx, run)
    run.due_at = now(tx)
    crashpoint("reconcile begun")


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _beginning(tx: Session, until: datetime, asked: datetime | None) -> datetime:
    """As asked for; else where the first stretch begins that no run has compared, whatever came
    after it. Never before there was anything.
    """
    first = first_payment(tx)
    if first is None:
        return until - OVERLAP
    if asked is not None:
        return max(asked, first - OVERLAP)
    known = stretches(covered(tx, JOB, after=first), first, until)
    hole: datetime = next((each.since for each in known if not each.covered), until)
    return first if hole <= first else hole - OVERLAP


def _wait(tx: Session, run: Run) -> None:
    """Nothing is left but payments of which Stripe has no session yet: they are on their way, or
    somebody has been told of them.
    """
    heard = or_(
        Payment.checked_at >= run.created_at,
        Payment.due_at.is_(None),
        Payment.needs_attention.is_not(None),
    )
    done = select(Payment.id).where(heard, Payment.id == RunSubject.payment_id)
    subjects.answered(tx, run, exists(done.correlate(RunSubject)))
    left = subjects.left(tx, run)
    run.done = max(run.done, (run.total or 0) - left)
    if left == 0:
        _finish(tx, run)


def is_stuck(claimed: Claim[Run]) -> bool:
    """Whether it has not come a step further for long: not by one answer, nor by one page."""
    run = claimed.row
    params = _params(run)
    moved_at = _time(params.get("moved_at"))
    if moved_at is None:  # nobody took it up; or to begin is what fails
        return run.attempts > MAX_ATTEMPTS
    tries = run.lease - params.get("moved_lease", 0)
    return claimed.at - moved_at > GIVE_UP_AFTER and tries > GIVE_UP_TRIES


def give_up(tx: Session, run: Run) -> None:
    """End it, so that the next can begin. Who had no answer is asked about again by the polls: what
    was fetched about him is told to nobody else. Of very many it takes several steps.

    Once all pages are read everything has been compared but these few; before, nothing is covered,
    and the next run begins where this one did.
    """
    params = _params(run)
    if not params.get("dry_run") and subjects.leave_to_polls(tx, run, most=LEFT_AT_ONCE):
        return
    subjects.answered(tx, run)
    if params.get("phase") in (TOLD, SINGLES, WAITING):
        _finish(tx, run, error=UNHEARD)
    else:
        run.finish(tx, RunStatus.FAILED, error="Stripe's lists could not be read in time.")


def _finish(tx: Session, run: Run, error: str | None = None) -> None:
    params = _params(run)
    compared = {}
    if not params["dry_run"]:
        compared = {
            "covers_since": datetime.fromisoformat(params["since"]),
            "covers_until": datetime.fromisoformat(params["until"]),
        }
    total = max(run.total or 0, run.done)
    run.finish(tx, RunStatus.SUCCEEDED, total=total, error=error, **compared)
