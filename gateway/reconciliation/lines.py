"""One line of Stripe's balance beside what we have of it, and who is told when that differs.

A line is about a charge, a refund or a dispute, and that is how ours is found; payouts, fees and
the like have no counterpart here. Runs inside the caller's transaction, and asks Stripe nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.disputes.models import Dispute
from gateway.kernel.ids import is_id
from gateway.kernel.runs import Run
from gateway.payments import service as payments
from gateway.payments.models import ENDED, Payment
from gateway.processor.types import StripeMovement
from gateway.reconciliation import discrepancies
from gateway.reconciliation.compare import ACCOUNTS_FOR, Difference, figures
from gateway.reconciliation.models import Discrepancy, DiscrepancyStatus, Kind
from gateway.refunds.models import Refund, RefundStatus
from gateway.settings import settings

NOT_GIVEN = (RefundStatus.FAILED, RefundStatus.CANCELLED)


@dataclass(frozen=True)
class Known:
    """What we have of a line: whose it is, and what it comes to. Minor units, signed as theirs."""

    payment: Payment
    amount: int
    currency: str  # in which Stripe took it: an operator may have accepted another than was asked
    kind: Kind  # what it is called if that differs


def compare(
    tx: Session, run: Run, page: Iterable[StripeMovement]
) -> list[tuple[StripeMovement, int | None]]:
    """Each line with what we have of it; null where there is nothing to have."""
    found: list[tuple[StripeMovement, int | None]] = []
    equal: list[str] = []
    # Charges first: who is told of money need not be told of what went back of it.
    for line in sorted(page, key=lambda each: each.of != "charge"):
        if line.of is None:
            found.append((line, None))
            continue
        known = _known(tx, line)
        if known is None and _is_others(tx, line):
            continue
        found.append((line, known.amount if known is not None else 0))
        if known is None:
            _unknown(tx, run, line)
        elif (known.amount, known.currency) != theirs(line):
            _differs(tx, run, line, known)
        else:
            equal.append(line.id)
            if line.of == "charge" and line.intent_id is not None:
                equal.append(line.intent_id)
    discrepancies.agree(tx, run, equal)
    return found


def theirs(line: StripeMovement) -> tuple[int, str]:
    """In the currency of what it is about: Stripe may settle in another."""
    signed = line.source_amount if line.amount >= 0 else -line.source_amount
    return signed, line.source_currency


def _known(tx: Session, line: StripeMovement) -> Known | None:
    if line.of == "charge":
        payment = _owner(tx, line)
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


def _owner(tx: Session, line: StripeMovement) -> Payment | None:
    """The payment that accounts for the money of the line's intent."""
    rows = select(Payment).filter_by(stripe_intent_id=line.intent_id)
    return tx.scalar(rows.where(Payment.status.in_(ACCOUNTS_FOR))) if line.intent_id else None


def _told_of(tx: Session, line: StripeMovement) -> Discrepancy | None:
    """The row about money that came by the line's intent, and for which no payment accounts."""
    if line.intent_id is None:
        return None
    return discrepancies.hold_newest(tx, line.intent_id, *discrepancies.STRAY)


def _is_others(tx: Session, line: StripeMovement) -> bool:
    """Of the account's other business: nothing here knows of it, and nobody was told of it."""
    if not settings().stripe_shared or is_id(line.payment_id or "", "pay"):
        return False
    return _owner(tx, line) is None and _told_of(tx, line) is None


def _came_back(line: StripeMovement) -> bool:
    return line.of == "refund" and line.amount > 0


def _differs(tx: Session, run: Run, line: StripeMovement, known: Known) -> None:
    """It is called by the line, which nobody else looks at, unless the payment is called the same,
    and stands as it did then.
    """
    told = discrepancies.hold_newest(tx, known.payment.id, known.kind)
    if told is not None and _covers(told, line, known.payment):
        return
    ours = {"amount": known.amount, "currency": known.currency}
    words = f"{_said(line)}, here it comes to {known.amount} {known.currency}."
    _bring_up(tx, run, Difference(known.kind, line.id, ours, _shown(line), words), known.payment)


def _covers(told: Discrepancy, line: StripeMovement, payment: Payment) -> bool:
    if told.status == DiscrepancyStatus.RESOLVED and told.handled_at is not None:
        unchanged = discrepancies.alike(told.ours, figures(payment))
        return line.created_at <= told.handled_at and unchanged
    return told.status == DiscrepancyStatus.OPEN


def _unknown(tx: Session, run: Run, line: StripeMovement) -> None:
    owner = _owner(tx, line)
    if owner is not None:  # a refund or a dispute of which no word came; to ask brings it here
        payments.make_due(tx, owner.id)
    if owner is not None or line.intent_id is None:
        _bring_up(tx, run, _of_nobody(line, Kind.MISSING_HERE, line.id), owner)
        return
    told = _told_of(tx, line)
    if told is None:
        _first_heard(tx, run, line, line.intent_id)
    elif told.handled_at is not None and _came_back(line) and line.created_at > told.handled_at:
        words = f"{_said(line)}: what was given back of {told.subject} has come back."
        again = Difference(Kind(told.kind), told.subject, None, _shown(line), words)
        discrepancies.start(tx, run, again, payment=_payment(tx, told.payment_id))


def _first_heard(tx: Session, run: Run, line: StripeMovement, intent_id: str) -> None:
    """Somebody is told once, as the hourly run would call it: that says what becomes of it. What
    has gone back whole is over.
    """
    has_gone = line.of == "refund" if line.amount < 0 else line.given_back >= line.source_amount > 0
    if has_gone:
        return
    named = _payment(tx, line.payment_id)
    is_second = named is not None and named.stripe_intent_id not in (None, intent_id)
    if named is not None and not is_second:  # it may be its own, of which no word came
        payments.make_due(tx, named.id)
        if named.status not in ENDED:
            return
    kind = Kind.DUPLICATE if is_second else Kind.MISSING_HERE
    _bring_up(tx, run, _of_nobody(line, kind, intent_id), named)


def _payment(tx: Session, id: str | None) -> Payment | None:
    return tx.get(Payment, id) if id is not None else None


def _of_nobody(line: StripeMovement, kind: Kind, subject: str) -> Difference:
    words = f"{_said(line)}, of which nothing is known here."
    return Difference(kind, subject, None, _shown(line), words)


def _bring_up(tx: Session, run: Run, difference: Difference, payment: Payment | None) -> None:
    discrepancies.bring_up(tx, run, difference, payment=payment)


def _said(line: StripeMovement) -> str:
    amount, currency = theirs(line)
    return f"Stripe's balance has {amount} {currency} for {line.source_id}"


def _shown(line: StripeMovement) -> dict[str, Any]:
    amount, currency = theirs(line)
    return {"type": line.type, "amount": amount, "currency": currency}
