"""Once a day: Stripe's balance, line by line, beside what we have of each, summed up by day,
currency and type.

A line is about a charge, a refund or a dispute, and that is how ours is found; payouts, fees and
the like have no counterpart here and are only added up. Nothing here asks Stripe.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.disputes.models import Dispute
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import now
from gateway.kernel.due import Claim
from gateway.kernel.ids import is_id
from gateway.kernel.runs import Run, RunStatus
from gateway.payments.models import Payment
from gateway.processor.lists import Listed, Window, is_live
from gateway.processor.types import StripeMovement
from gateway.reconciliation import discrepancies
from gateway.reconciliation.compare import Difference
from gateway.reconciliation.coverage import has_compared
from gateway.reconciliation.models import Discrepancy, DiscrepancyStatus, Kind
from gateway.refunds.models import Refund, RefundStatus
from gateway.settings import settings

JOB = "balance"
# Ended days are read again for so long: Stripe may write a line late.
LOOK_BACK = timedelta(days=3)
FARTHEST = timedelta(days=60)  # of days that were missed, as many are read
NOT_GIVEN = (RefundStatus.FAILED, RefundStatus.CANCELLED)


@dataclass(frozen=True)
class Known:
    """What we have of a line: whose it is, and what it comes to. Minor units, signed as theirs."""

    payment: Payment
    amount: int
    currency: str  # in which Stripe took it: an operator may have accepted another than was asked
    kind: Kind  # what it is called if that differs


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
    lines = [line for line in page.items if since <= line.created_at < until]
    # Into a copy: a change inside what is stored would not be seen.
    sums = _added(deepcopy(params["sums"]), _compared(tx, run, lines))
    run.params = params | {"sums": sums, "cursor": page.cursor}
    run.done += len(lines)
    run.due_at = now(tx)
    crashpoint("balance page added")
    if page.cursor is None:
        days = {"covers_since": since, "covers_until": until}
        run.finish(tx, RunStatus.SUCCEEDED, total=run.done, **days)


def _compared(
    tx: Session, run: Run, page: Iterable[StripeMovement]
) -> list[tuple[StripeMovement, int | None]]:
    """Each line with what we have of it; null where there is nothing to have."""
    found: list[tuple[StripeMovement, int | None]] = []
    equal: list[str] = []
    for line in page:
        if line.of is None:
            found.append((line, None))
            continue
        known = _known(tx, line)
        if known is None and _is_others(tx, line):
            continue
        found.append((line, known.amount if known is not None else 0))
        if known is None:
            _unknown(tx, run, line)
        elif (known.amount, known.currency) != _theirs(line):
            _differs(tx, run, line, known)
        else:
            equal.append(line.id)
            if line.of == "charge" and line.intent_id is not None:
                equal.append(line.intent_id)
    discrepancies.agree(tx, run, equal)
    return found


def _known(tx: Session, line: StripeMovement) -> Known | None:
    if line.of == "charge":
        payment = tx.scalar(select(Payment).filter_by(stripe_intent_id=line.intent_id))
        if payment is None:
            return None
        taken = payment.amount_captured if line.amount >= 0 else -payment.amount_captured
        return Known(payment, taken, payment.received_in, Kind.AMOUNT_DIFFERS)
    if line.of == "refund":
        refund = tx.scalar(select(Refund).filter_by(stripe_refund_id=line.source_id))
        if refund is None:
            return None
        is_back = _came_back(line) and refund.status in NOT_GIVEN
        amount = refund.amount if is_back else -refund.amount
        payment = tx.get_one(Payment, refund.payment_id)
        return Known(payment, amount, refund.currency, Kind.REFUND_SUM_DIFFERS)
    dispute = tx.scalar(select(Dispute).filter_by(stripe_dispute_id=line.source_id))
    if dispute is None:
        return None
    amount = dispute.amount if line.amount > 0 else -dispute.amount
    payment = tx.get_one(Payment, dispute.payment_id)
    return Known(payment, amount, dispute.currency, Kind.AMOUNT_DIFFERS)


def _theirs(line: StripeMovement) -> tuple[int, str]:
    """In the currency of what it is about: Stripe may settle in another."""
    signed = line.source_amount if line.amount >= 0 else -line.source_amount
    return signed, line.source_currency


def _is_others(tx: Session, line: StripeMovement) -> bool:
    """Of the account's other business: it names no payment of ours, and nobody was told of it."""
    named = is_id(line.payment_id or "", "pay")
    return settings().stripe_shared and not named and _told_of(tx, line) is None


def _told_of(tx: Session, line: StripeMovement) -> Discrepancy | None:
    """The row about money that came by the line's intent, and is accounted for by no payment."""
    if line.intent_id is None:
        return None
    return discrepancies.newest(tx, line.intent_id, Kind.DUPLICATE, Kind.MISSING_HERE)


def _differs(tx: Session, run: Run, line: StripeMovement, known: Known) -> None:
    """It is called by the line, which nobody else looks at, unless the hourly run calls the payment
    the same.
    """
    told = discrepancies.newest(tx, known.payment.id, known.kind)
    if told is not None and told.status != DiscrepancyStatus.FIXED:
        return
    ours = {"amount": known.amount, "currency": known.currency}
    words = f"{_said(line)}, here it comes to {known.amount} {known.currency}."
    difference = Difference(known.kind, line.id, ours, _shown(line), words)
    discrepancies.bring_up(tx, run, difference, payment=known.payment)


def _unknown(tx: Session, run: Run, line: StripeMovement) -> None:
    """Of money that is accounted for by no payment here somebody is told once: the hourly run says
    what became of it. But what could not be given back is there again.
    """
    told = _told_of(tx, line)
    if told is None:
        subject, kind = line.id, Kind.MISSING_HERE
        payment = tx.get(Payment, line.payment_id) if line.payment_id is not None else None
        if line.of == "charge" and line.intent_id is not None:  # as the hourly run calls it
            subject = line.intent_id
            kind = Kind.DUPLICATE if payment is not None else Kind.MISSING_HERE
        words = f"{_said(line)}, of which nothing is known here."
    elif told.handled_at is not None and _came_back(line) and line.created_at > told.handled_at:
        subject, kind = told.subject, Kind(told.kind)
        payment = tx.get(Payment, told.payment_id) if told.payment_id is not None else None
        words = f"{_said(line)}: what was given back of {subject} has come back."
    else:
        return
    difference = Difference(kind, subject, None, _shown(line), words)
    discrepancies.bring_up(tx, run, difference, payment=payment)


def _came_back(line: StripeMovement) -> bool:
    return line.of == "refund" and line.amount > 0


def _said(line: StripeMovement) -> str:
    amount, currency = _theirs(line)
    return f"Stripe's balance has {amount} {currency} for {line.source_id}"


def _shown(line: StripeMovement) -> dict[str, Any]:
    amount, currency = _theirs(line)
    return {"type": line.type, "amount": amount, "currency": currency}


def _added(
    sums: dict[str, Any], lines: Iterable[tuple[StripeMovement, int | None]]
) -> dict[str, Any]:
    """Day -> currency -> type -> `count, theirs, ours, fee`; of the last, in minor units as well,
    what Stripe kept.
    """
    for line, ours in lines:
        currency = line.source_currency or line.currency
        day = sums.setdefault(line.created_at.date().isoformat(), {})
        row = day.setdefault(currency, {}).setdefault(
            line.type, {"count": 0, "theirs": 0, "ours": None, "fee": 0}
        )
        row["count"] += 1
        row["theirs"] += _theirs(line)[0] if line.of is not None else line.amount
        row["fee"] += line.fee
        if ours is not None:
            row["ours"] = (row["ours"] or 0) + ours
    return sums
