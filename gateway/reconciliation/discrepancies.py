"""The list of what differed: each once, however many runs find it, until they agree or somebody
has seen to it. What was seen to is not brought up again while both sides stay as they were.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.kernel.db import held, now
from gateway.kernel.errors import Conflict, NotFound
from gateway.kernel.runs import Run
from gateway.payments.models import Payment
from gateway.reconciliation.compare import Difference
from gateway.reconciliation.models import Discrepancy, DiscrepancyStatus, Kind

S = DiscrepancyStatus
IS_OPEN = Discrepancy.status == S.OPEN
MENDED = "Brought to where Stripe is."
GONE = "Both sides agree again."
ASKED = "Stripe had been asked since."
OTHERS = "It is of the account's other business."
# What money is called for which no payment accounts.
STRAY = (Kind.DUPLICATE, Kind.MISSING_HERE)


class DiscrepancyNotOpen(Conflict):
    """It was fixed, or somebody has resolved it before."""

    code, title = "discrepancy_not_open", "The discrepancy is not open."


def note(
    tx: Session,
    run: Run,
    payment: Payment,
    *,
    judged: Collection[str],
    before: Iterable[Difference],
    after: Iterable[Difference],
) -> None:
    """`before` we believed Stripe, and `after`: what went away by that is fixed, the rest is open.

    `judged` are the subjects that were looked at. Called with the payment held.
    """
    was, still = _by_place(before), _by_place(after)
    known = _hold_newest(tx, judged)
    for place in dict.fromkeys([*known, *was]):
        row = known.get(place)
        if place in still:
            continue
        # Gone by what was believed just now, or by itself since a run has found it.
        if place in was and (row is None or row.status != S.OPEN):
            _start_fixed(tx, run, was[place], MENDED, payment=payment)
        elif row is not None:
            _agreed(tx, run, row)
    for place, each in still.items():
        # Figures that do not fit are taken over and reviewed: what differed was told before that.
        words = was[place].words if place in was else each.words
        bring_up(tx, run, replace(each, words=words), payment=payment)


def _by_place(found: Iterable[Difference]) -> dict[tuple[Kind, str], Difference]:
    return {(each.kind, each.subject): each for each in found}


def bring_up(
    tx: Session, run: Run, difference: Difference, *, payment: Payment | None = None
) -> None:
    """Open, unless somebody has looked at just this. What is open already tells the newest."""
    latest = hold_newest(tx, difference.subject, difference.kind)
    if latest is None or latest.status == S.FIXED:
        start(tx, run, difference, payment=payment)
    elif latest.status == S.OPEN:
        _bring_up_to_date(tx, latest, difference)
    elif not (alike(latest.ours, difference.ours) and alike(latest.theirs, difference.theirs)):
        start(tx, run, difference, payment=payment)


def _bring_up_to_date(tx: Session, row: Discrepancy, difference: Difference) -> None:
    if (row.ours, row.theirs) != (difference.ours, difference.theirs):
        row.ours, row.theirs = difference.ours, difference.theirs
        row.reason, row.updated_at = difference.words, now(tx)


def hold_newest(tx: Session, subject: str, *kinds: Kind) -> Discrepancy | None:
    """The last row of these kinds about it, held; what both sides are today it does not tell."""
    rows = select(Discrepancy).filter_by(subject=subject).where(Discrepancy.kind.in_(kinds))
    return tx.scalar(held(rows.order_by(Discrepancy.id.desc()).limit(1)))


def alike(before: dict[str, Any] | None, now: dict[str, Any] | None) -> bool:
    """As far as both tell: the hourly run and the balance know different things of one charge."""
    if before is None or now is None:
        return before is now
    return all(before[name] == now[name] for name in before.keys() & now.keys())


def has_row_since(tx: Session, payment: Payment, since: datetime) -> bool:
    """Whether a run has found something about it since then."""
    later = select(Discrepancy.id).where(Discrepancy.created_at >= since)
    return tx.scalar(later.filter_by(payment_id=payment.id).limit(1)) is not None


def known_otherwise(tx: Session, run: Run, difference: Difference, payment: Payment) -> None:
    """It was missed, and made good before this run came to it."""
    _start_fixed(tx, run, difference, ASKED, payment=payment)


def agree(tx: Session, run: Run, subjects: Iterable[str], how: str = GONE) -> None:
    """About these nothing differs any more."""
    for row in _hold_newest(tx, subjects).values():
        _agreed(tx, run, row, how)


def _hold_newest(tx: Session, subjects: Iterable[str]) -> dict[tuple[Kind, str], Discrepancy]:
    rows = select(Discrepancy).where(Discrepancy.subject.in_(list(subjects)))
    found = tx.scalars(held(rows.order_by(Discrepancy.id)))
    return {(Kind(row.kind), row.subject): row for row in found}


def _agreed(tx: Session, run: Run, row: Discrepancy, how: str = GONE) -> None:
    """What somebody has resolved stays as it was resolved. Beside it a row is put that says it is
    over, so that the same, should it come again, is new.
    """
    if row.status == S.OPEN:
        _fix(tx, row, run, how)
    # Another run may have said so while this one waited to hold the row.
    elif row.status == S.RESOLVED and hold_newest(tx, row.subject, Kind(row.kind)) is row:
        difference = Difference(Kind(row.kind), row.subject, row.ours, row.theirs, row.reason)
        payment = tx.get(Payment, row.payment_id) if row.payment_id is not None else None
        _start_fixed(tx, run, difference, how, payment=payment)


def _start_fixed(
    tx: Session, run: Run, difference: Difference, how: str, *, payment: Payment | None
) -> None:
    row = start(tx, run, difference, payment=payment)
    if row is not None:
        _fix(tx, row, run, how)


def start(
    tx: Session, run: Run, difference: Difference, *, payment: Payment | None
) -> Discrepancy | None:
    """None if another run has just brought it up."""
    return Discrepancy.start_once(
        tx,
        run_id=run.id,
        kind=difference.kind,
        subject=difference.subject,
        payment_id=payment.id if payment is not None else None,
        merchant_id=payment.merchant_id if payment is not None else None,
        livemode=run.params["livemode"] if run.params else False,
        ours=difference.ours,
        theirs=difference.theirs,
        reason=difference.words,
    )


def _fix(tx: Session, row: Discrepancy, run: Run, how: str) -> None:
    row.transition_to(S.FIXED, handled_by=run.id, how=how, handled_at=now(tx))


def resolve(tx: Session, id: str, *, by: str, how: str) -> Discrepancy:
    """Somebody has looked at it. Raises `NotFound` and `DiscrepancyNotOpen`."""
    row = tx.scalar(held(select(Discrepancy).filter_by(id=id)))
    if row is None:
        raise NotFound(f"There is no discrepancy {id!r}.")
    if row.status != S.OPEN:
        raise DiscrepancyNotOpen(f"{id} is {row.status}: {row.how}")
    row.transition_to(S.RESOLVED, handled_by=by, how=how, handled_at=now(tx))
    return row


def counts(tx: Session, run: Run) -> dict[str, int]:
    """What this run found, what of it is fixed, and what is open whoever found it."""
    mine = select(Discrepancy.status, func.count()).filter_by(run_id=run.id)
    by_status: dict[str, int] = dict(tx.execute(mine.group_by(Discrepancy.status)).all())
    opened = select(func.count()).select_from(Discrepancy).where(IS_OPEN)
    return {
        "found": sum(by_status.values()),
        "fixed": by_status.get(S.FIXED, 0),
        "open": tx.scalar(opened) or 0,
    }
