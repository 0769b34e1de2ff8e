"""Once a day: Stripe's balance and what we have of it, added up by day, currency and type.

How far it came is stored with the page that was added. Nothing here asks Stripe.
"""

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import now
from gateway.kernel.due import Claim
from gateway.kernel.runs import Run, RunStatus
from gateway.processor.lists import Listed, Window, is_live
from gateway.processor.types import StripeMovement
from gateway.reconciliation import lines
from gateway.reconciliation.coverage import has_compared

JOB = "balance"
# Ended days are read again for so long: Stripe may write a line late.
LOOK_BACK = timedelta(days=3)
FARTHEST = timedelta(days=60)  # of days that were missed, as many are read


def place(claimed: Claim[Run]) -> tuple[Window, str | None] | None:
    """The days to read, and how far they have been. None before the first step."""
    params = claimed.row.params
    return (_days(params), params["cursor"]) if params else None


def _days(params: dict[str, Any]) -> Window:
    return Window(*(datetime.fromisoformat(params[name]) for name in ("since", "until")))


def advance(tx: Session, run: Run, page: Listed[StripeMovement] | None) -> bool:
    """Add a page up, and end after the last. True when the run has ended."""
    if not run.params:
        _begin(tx, run)
    elif page is not None:
        _add(tx, run, run.params, page)
    return run.status != RunStatus.PENDING


def _begin(tx: Session, run: Run) -> None:
    """From some days before those that were added up last, so that none is left out."""
    midnight = run.created_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    last = tx.scalar(select(func.max(Run.covers_until)).where(has_compared(JOB)))
    since = max(min(midnight, last or midnight) - LOOK_BACK, midnight - FARTHEST)
    run.params = {
        "since": since.isoformat(),
        "until": midnight.isoformat(),
        "livemode": is_live(),
        "sums": {},
        "cursor": None,
    }
    run.due_at = now(tx)


def _add(tx: Session, run: Run, params: dict[str, Any], page: Listed[StripeMovement]) -> None:
    since, until = _days(params)
    found = [line for line in page.items if since <= line.created_at < until]
    # Into a copy: a change inside what is stored would not be seen.
    sums = _added(deepcopy(params["sums"]), lines.compare(tx, run, found))
    run.params = params | {"sums": sums, "cursor": page.cursor}
    run.done += len(found)
    run.due_at = now(tx)
    crashpoint("balance page added")
    if page.cursor is None:
        days = {"covers_since": since, "covers_until": until}
        run.finish(tx, RunStatus.SUCCEEDED, total=run.done, **days)


def _added(
    sums: dict[str, Any], found: Iterable[tuple[StripeMovement, int | None]]
) -> dict[str, Any]:
    """Day -> currency -> type -> `count, theirs, ours, fee`; of the last, in minor units as well,
    what Stripe kept.
    """
    for line, ours in found:
        currency = line.source_currency or line.currency
        day = sums.setdefault(line.created_at.date().isoformat(), {})
        row = day.setdefault(currency, {}).setdefault(
            line.type, {"count": 0, "theirs": 0, "ours": None, "fee": 0}
        )
        row["count"] += 1
        row["theirs"] += lines.theirs(line)[0] if line.of is not None else line.amount
        row["fee"] += line.fee
        if ours is not None:
            row["ours"] = (row["ours"] or 0) + ours
    return sums
