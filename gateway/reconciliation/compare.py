"""Do our row and Stripe's answer say the same? Reads values only: asks nothing, writes nothing.

That Stripe is ahead is a difference like any other; whether it can be mended is for others to say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.disputes.models import DisputeStatus
from gateway.payments import service as payments
from gateway.payments.models import Payment, PaymentStatus, Resolution
from gateway.processor.types import CheckoutSession, Intent, StripeDispute
from gateway.reconciliation.models import Kind
from gateway.settlement.movements import DISPUTE_FROM_STRIPE

S = PaymentStatus

# What we may call it when Stripe calls it so. Without money one end is as good as another.
_ENDED = frozenset({S.EXPIRED, S.CANCELLED, S.FAILED})
AGREE: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    S.REQUIRES_ACTION: frozenset({S.REQUIRES_ACTION}),
    S.PROCESSING: frozenset({S.PROCESSING}),
    S.AUTHORIZED: frozenset({S.AUTHORIZED}),
    S.SUCCEEDED: frozenset({S.SUCCEEDED, S.REFUNDED}),
    S.EXPIRED: _ENDED,
    S.CANCELLED: _ENDED,
    S.FAILED: _ENDED,
}
# With money, or with figures that an operator looks at.
HAS_MONEY = (S.SUCCEEDED, S.REFUNDED, S.REVIEW)
# Whose intent's money is theirs. News may name a payment, and be about an intent that is not its.
ACCOUNTS_FOR = (S.AUTHORIZED, *HAS_MONEY)

_WORDS = {
    Kind.STATE_DIFFERS: "Here it is {ours[status]}, at Stripe {theirs[status]}.",
    Kind.AMOUNT_DIFFERS: "Here it comes to {ours[amount]} ({ours[captured]} of it taken), at Stripe"
    " to {theirs[amount]} ({theirs[captured]}).",
    Kind.CURRENCY_DIFFERS: "Here it is in {ours[currency]}, at Stripe in {theirs[currency]}.",
    Kind.REFUND_SUM_DIFFERS: "Here {ours[refunded]} were given back, at Stripe {theirs[refunded]}.",
}


@dataclass(frozen=True)
class Difference:
    """`subject` is our payment, or a dispute of it by Stripe's id. Of a payment both sides are
    JSON of `status, amount, captured, refunded, currency`; minor units.
    """

    kind: Kind
    subject: str
    ours: dict[str, Any] | None
    theirs: dict[str, Any] | None
    words: str


def differences(
    payment: Payment, session: CheckoutSession, disputes: Mapping[str, str]
) -> list[Difference]:
    """`disputes` are ours by Stripe's id, with their status."""
    ours, theirs = figures(payment), _theirs(session)
    found = [
        Difference(kind, payment.id, ours, theirs, _WORDS[kind].format(ours=ours, theirs=theirs))
        for kind in _kinds(payment, session)
    ]
    reported = session.intent.disputes if session.intent is not None else ()
    return found + [each for each in map(partial(_dispute, disputes), reported) if each]


def _kinds(payment: Payment, session: CheckoutSession) -> Iterator[Kind]:
    """What differs first of all: of a payment that stands elsewhere the rest follows from that."""
    said = payments.verdict(session)
    intent = session.intent
    # What an operator has decided to give back need not look right any more.
    given_up = payment.resolution == Resolution.REFUND
    wrong = None if given_up else payments.mismatch(payment, session)
    received = intent.amount_received if intent is not None else 0
    if wrong is not None and wrong["currency"] != payment.currency:
        yield Kind.CURRENCY_DIFFERS
    elif wrong is not None and wrong["amount"] != payment.amount:
        yield Kind.AMOUNT_DIFFERS
    elif wrong is not None or not (payment.status == S.REVIEW or payment.status in AGREE[said]):
        yield Kind.STATE_DIFFERS
        return
    elif payment.status in HAS_MONEY and payment.amount_captured != received:
        yield Kind.AMOUNT_DIFFERS
    shows_refunds = payment.status in HAS_MONEY and not is_partial(session)
    if shows_refunds and payment.amount_refunded != _given_back(session):
        yield Kind.REFUND_SUM_DIFFERS


def _dispute(ours: Mapping[str, str], reported: StripeDispute) -> Difference | None:
    status = DISPUTE_FROM_STRIPE.get(reported.status, DisputeStatus.OPEN)
    theirs = {"status": reported.status, "amount": reported.amount, "currency": reported.currency}
    if reported.id not in ours:
        words = f"Stripe's dispute {reported.id} was not known here."
        return Difference(Kind.MISSING_HERE, reported.id, None, theirs, words)
    if ours[reported.id] != status:
        known = {"status": ours[reported.id]}
        words = f"The dispute {reported.id} is {known['status']} here, {reported.status} at Stripe."
        return Difference(Kind.STATE_DIFFERS, reported.id, known, theirs, words)
    return None


def is_partial(session: CheckoutSession) -> bool:
    return session.intent is not None and session.intent.is_partial


def keeps_money(intent: Intent) -> bool:
    """Whether a shopper's money is with Stripe, or held, because of it."""
    return intent.amount_received > intent.given_back or intent.status == "requires_capture"


def figures(payment: Payment) -> dict[str, Any]:
    return {
        "status": payment.status,
        "amount": payment.amount,
        "captured": payment.amount_captured,
        "refunded": payment.amount_refunded,
        "currency": payment.currency,
    }


def _theirs(session: CheckoutSession) -> dict[str, Any]:
    intent = session.intent
    return {
        "status": str(payments.verdict(session)),
        "amount": intent.amount if intent else session.amount_total,
        "captured": intent.amount_received if intent else 0,
        "refunded": _given_back(session),
        "currency": intent.currency if intent else session.currency,
    }


def _given_back(session: CheckoutSession) -> int:
    reported = session.intent.refunds if session.intent is not None else ()
    return sum(each.amount for each in reported if each.status == "succeeded")
