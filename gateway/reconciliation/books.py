"""Once a day: Stripe's balance, line by line, beside what we have of each, summed up by day,
currency and type.

A line is about a charge, a refund or a dispute, and that is how ours is found; payouts, fees and
the like have no counterpart here and are only added up. Nothing here asks Stripe.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.disputes.models import Dispute
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import now
from gateway.kernel.due import Claim
from gateway.kernel.runs import Run, RunStatus
from gateway.payments.models import Payment
from gateway.processor.lists import Listed, Window, is_live
from gateway.processor.types import StripeMovement
from gateway.reconciliation import discrepancies
from gateway.reconciliation.compare import Difference
from gateway.reconciliation.models import Kind
from gateway.refunds.models import Refund, RefundStatus
from gateway.settings import settings

JOB = "balance"
# Ended days are read again for so long: Stripe may write a line late.
LOOK_BACK = timedelta(days=3)


@dataclass(frozen=True)
class Known:
    """What we have of a line: whose it is, and what it comes to. Minor units, signed as theirs."""

    payment: Payment
    amount: int
    kind: Kind  # what it is called if that differs


def window(claimed: Claim[Run]) -> tuple[Window, str | None]:
    """The days to read, UTC, up to the last midnight; and how far they have been."""
    params = claimed.row.params or {}
    midnight = claimed.row.created_at.astimezone(UTC).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    return Window(midnight - LOOK_BACK, midnight), params.get("cursor")


def advance(tx: Session, run: Run, page: Listed[StripeMovement] | None) -> bool:
    """Add a page up, and end after the last. True when the run has ended."""
    if page is None:
        return False
    params = run.params or {"livemode": is_live(), "sums": {}}
    run.params = params  # the mode is told to what is brought up
    sums = _added(params["sums"], _compared(tx, run, page.items))
    run.params = params | {"sums": sums, "cursor": page.cursor}
    run.done += len(page.items)
    run.due_at = now(tx)
    crashpoint("balance page added")
    if page.cursor is None:
        run.finish(tx, RunStatus.SUCCEEDED, total=run.done)
    return run.status != RunStatus.PENDING


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
        if known is None and settings().stripe_shared:
            continue
        found.append((line, known.amount if known is not None else 0))
        if known is None or known.amount != _theirs(line):
            _differs(tx, run, line, known)
        elif line.source_id is not None:
            equal.append(line.source_id)
    discrepancies.agree(tx, run, equal)
    return found


def _known(tx: Session, line: StripeMovement) -> Known | None:
    if line.of == "charge":
        payment = tx.scalar(select(Payment).filter_by(stripe_intent_id=line.intent_id))
        if payment is None:
            return None
        return Known(payment, payment.amount_captured, Kind.AMOUNT_DIFFERS)
    if line.of == "refund":
        refund = tx.scalar(select(Refund).filter_by(stripe_refund_id=line.source_id))
        if refund is None:
            return None
        came_back = line.amount > 0 and refund.status == RefundStatus.FAILED
        amount = refund.amount if came_back else -refund.amount
        payment = tx.get_one(Payment, refund.payment_id)
        return Known(payment, amount, Kind.REFUND_SUM_DIFFERS)
    dispute = tx.scalar(select(Dispute).filter_by(stripe_dispute_id=line.source_id))
    if dispute is None:
        return None
    amount = dispute.amount if line.amount > 0 else -dispute.amount
    return Known(tx.get_one(Payment, dispute.payment_id), amount, Kind.AMOUNT_DIFFERS)


def _theirs(line: StripeMovement) -> int:
    """In the currency of what it is about: Stripe may settle in another."""
    return line.source_amount if line.amount >= 0 else -line.source_amount


def _differs(tx: Session, run: Run, line: StripeMovement, known: Known | None) -> None:
    theirs = {"type": line.type, "amount": _theirs(line), "currency": line.source_currency}
    ours = {"amount": known.amount} if known is not None else None
    what = f"Stripe's balance has {theirs['amount']} {line.source_currency} for {line.source_id}"
    if known is not None:
        kind, words = known.kind, f"{what}, here it comes to {known.amount}."
    else:
        kind, words = Kind.MISSING_HERE, f"{what}, of which nothing is known here."
    subject = line.intent_id if known is None and line.of == "charge" else line.source_id
    difference = Difference(kind, subject or line.id, ours, theirs, words)
    discrepancies.bring_up(tx, run, difference, payment=known.payment if known else None)


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
        row["theirs"] += _theirs(line) if line.of is not None else line.amount
        row["fee"] += line.fee
        if ours is not None:
            row["ours"] = (row["ours"] or 0) + ours
    return sums
