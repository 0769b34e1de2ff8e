"""What runs have come to, for who reads it. Writes nothing."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from gateway.kernel.db import now
from gateway.kernel.errors import Invalid, NotFound
from gateway.kernel.http import Caller
from gateway.kernel.pages import Page, page
from gateway.kernel.runs import Run, RunStatus
from gateway.reconciliation import books, service
from gateway.reconciliation.coverage import Stretch, covered, first_payment, stretches
from gateway.reconciliation.models import Discrepancy, DiscrepancyStatus, Kind

S = DiscrepancyStatus
COLUMNS = (
    *("id", "status", "kind", "payment_id", "subject", "reason", "run_id"),
    *("created_at", "handled_at", "handled_by", "how", "livemode"),
)


def runs_of(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    found = page(tx, select(Run).filter_by(job=service.JOB), Run, **query)
    return Page([_shown(tx, caller, run) for run in found.data], found.has_more)


def run_of(tx: Session, caller: Caller, run_id: str) -> dict[str, Any]:
    run = tx.scalar(select(Run).filter_by(id=run_id, job=service.JOB))
    if run is None:
        raise NotFound(f"There is no reconciliation {run_id!r}.")
    return _shown(tx, caller, run)


def _shown(tx: Session, caller: Caller, run: Run) -> dict[str, Any]:
    mine = select(Discrepancy.status, func.count()).filter_by(
        run_id=run.id, merchant_id=caller.merchant_id, livemode=caller.livemode
    )
    params = run.params or {}
    return {
        "id": run.id,
        "status": run.status,
        "since": _time(params.get("since")) or run.created_at,
        "until": _time(params.get("until")) or run.created_at,
        "covered": run.covers_until is not None,
        "dry_run": bool(params.get("dry_run")),
        "discrepancies": counted(dict(tx.execute(mine.group_by(Discrepancy.status)).all())),
        "error": run.error,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def counted(by_status: dict[str, int]) -> dict[str, int]:
    return {
        "found": sum(by_status.values()),
        "fixed": by_status.get(S.FIXED, 0),
        "open": by_status.get(S.OPEN, 0),
    }


def discrepancies_of(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    limits = {name: query[name] for name in ("limit", "starting_after")}
    return page(tx, _own(caller), Discrepancy, *chosen(query), **limits)


def discrepancy_of(tx: Session, caller: Caller, id: str) -> Discrepancy:
    row: Discrepancy | None = tx.scalar(_own(caller).filter_by(id=id))
    if row is None:
        raise NotFound(f"There is no discrepancy {id!r}.")
    return row


def _own(caller: Caller) -> Select[Discrepancy]:
    mine = {"merchant_id": caller.merchant_id, "livemode": caller.livemode}
    return select(Discrepancy).filter_by(**mine)


def chosen(query: dict[str, Any]) -> list[Any]:
    """The conditions of a query. Raises `Invalid` for words that no row has."""
    for name, words in (("status", DiscrepancyStatus), ("kind", Kind)):
        if query[name] not in (None, *words):
            raise Invalid.param(name, f"Must be one of {', '.join(words)}.")
    columns = {
        "status": Discrepancy.status,
        "kind": Discrepancy.kind,
        "run_id": Discrepancy.run_id,
        "payment_id": Discrepancy.payment_id,
    }
    return [column == query[name] for name, column in columns.items() if query[name] is not None]


def coverage(tx: Session) -> list[Stretch]:
    """From the first payment to now, without a gap: covered and uncovered stretches in turn."""
    first = first_payment(tx)
    if first is None:
        return []
    return stretches(covered(tx, service.JOB, after=first), first, now(tx))


def balance(tx: Session) -> dict[str, Any] | None:
    """What the last run that has added the days up came to: a row for each day, currency and type,
    in minor units. None if there was none.
    """
    done = select(Run).filter_by(job=books.JOB).where(Run.status == RunStatus.SUCCEEDED)
    run = tx.scalar(done.order_by(Run.created_at.desc()).limit(1))
    if run is None or not run.params:
        return None
    days = [
        {"day": day, "currency": currency, "type": type, **sums}
        for day, currencies in sorted(run.params["sums"].items())
        for currency, types in sorted(currencies.items())
        for type, sums in sorted(types.items())
    ]
    window = {"since": run.covers_since, "until": run.covers_until}
    return {"run": run.id, **window, "finished_at": run.finished_at, "days": days}
