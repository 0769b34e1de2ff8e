"""What a payment is told by Stripe, and what it asks. What moves it with its order is settlement's.

Every function runs inside the caller's transaction and never talks to the network.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, bindparam, case, exists, func, or_, select
from sqlalchemy import update as bulk_update  # noqa: TID251 - a due time is no change of state
from sqlalchemy.orm import Session

from gateway.kernel.db import now
from gateway.kernel.due import Claim
from gateway.kernel.errors import Invalid, NotFound
from gateway.kernel.http import Caller
from gateway.kernel.pages import Page, page
from gateway.orders import service as orders
from gateway.payments.models import OPEN, Payment, PaymentStatus, StripeCall
from gateway.processor.types import CheckoutSession, SessionRequest

S = PaymentStatus

# Stripe keeps the answer to a key for at least a day. Until then the same question is safe.
SAME_KEY_HOURS = 20

# What Stripe's words for an intent mean to us, wherever its session stands.
FROM_INTENT = {
    "succeeded": S.SUCCEEDED,
    "requires_capture": S.AUTHORIZED,
    "processing": S.PROCESSING,
}


class Meant(NamedTuple):
    """What is known of a payment that news are about."""

    payment_id: str
    livemode: bool


# On the way of every event of Stripe's: a statement costs more to build than to send.
_TABLE: Any = Payment.__table__
_OTHER = _TABLE.alias()
_INTENT: Any = bindparam("intent", type_=Text)
_MAKE_DUE = (
    bulk_update(_TABLE)
    .where(_TABLE.c.id == bindparam("subject"))
    .values(
        due_at=func.gateway_now(),
        stripe_intent_id=func.coalesce(
            _TABLE.c.stripe_intent_id,
            case((~exists().where(_OTHER.c.stripe_intent_id == _INTENT), _INTENT)),
        ),
    )
)
_BY_SESSION = _TABLE.c.stripe_session_id == bindparam("session", type_=Text)
_BY_INTENT = _TABLE.c.stripe_intent_id == _INTENT
_MEANT = (
    select(_TABLE.c.id, _TABLE.c.livemode)
    .where(or_(_BY_SESSION, _BY_INTENT, _TABLE.c.id == bindparam("named", type_=Text)))
    .order_by(case((_BY_SESSION, 0), (_BY_INTENT, 1), else_=2))
    .limit(1)
)


def verdict(session: CheckoutSession) -> PaymentStatus:
    """Where the payment stands according to the present state at Stripe.

    A decline inside an open session is no failure: the shopper may try another card. Only a
    session that is complete or expired without money proves one.
    """
    said = session.intent.status if session.intent is not None else None
    if said in FROM_INTENT:
        return FROM_INTENT[said]
    if session.status == "expired":  # Stripe cancels its intent as well
        return S.EXPIRED
    if said == "canceled":
        return S.CANCELLED
    if session.status == "complete":
        return S.FAILED if said == "requires_payment_method" else S.PROCESSING
    return S.REQUIRES_ACTION


def mismatch(payment: Payment, session: CheckoutSession) -> str | None:
    """In words, how what Stripe reports differs from what we asked; None when it does not."""
    ours = (payment.amount, payment.currency, payment.livemode)
    theirs = [(session.amount_total, session.currency, session.livemode)]
    if session.intent is not None:
        theirs.append((session.intent.amount, session.intent.currency, session.intent.livemode))
    for amount, currency, livemode in theirs:
        if (amount, currency, livemode) != ours:
            mode = "live" if livemode else "test"
            return f"Stripe reports {amount} {currency} in {mode} mode."
    return None


def session_request(tx: Session, payment: Payment, params: dict[str, Any]) -> SessionRequest:
    """The question to Stripe, frozen in the row before it is asked for the first time."""
    if payment.session_params is None:
        payment.session_params = params
        payment.session_requested_at = now(tx)
    asked_at = payment.session_requested_at
    assert asked_at is not None  # noqa: S101 - written together with the parameters
    return SessionRequest(
        payment_id=payment.id,
        params=payment.session_params,
        idempotency_key=f"session:{payment.id}:{payment.session_attempt}",
        asked_at=asked_at,
        look_first=payment.session_look_first
        or now(tx) - asked_at > timedelta(hours=SAME_KEY_HOURS),
    )


def next_session_attempt(tx: Session, payment: Payment) -> None:
    """Stripe was asked and has no such session: only now may it be asked under a new key."""
    payment.session_attempt += 1
    payment.session_requested_at = now(tx)
    payment.session_look_first = False


def make_due(tx: Session, payment_id: str, *, intent_id: str | None = None) -> None:
    """News: have a worker look at Stripe's present state now, and keep an intent id learned."""
    tx.connection().execute(_MAKE_DUE, {"subject": payment_id, "intent": intent_id})


def match(
    tx: Session, *, session_id: str | None, intent_id: str | None, payment_id: str | None
) -> Meant | None:
    """The payment that news from Stripe is about: by session, else by intent, else by our id."""
    ids = {"session": session_id, "intent": intent_id, "named": payment_id}
    found = tx.connection().execute(_MEANT, ids).first()
    return None if found is None else Meant(*found)


def note_call(tx: Session, claimed: Claim[Payment], outcome: str, detail: str | None) -> None:
    """Keep what a question to Stripe came to, for who asks later what happened."""
    tx.add(
        StripeCall(
            payment_id=claimed.row.id,
            task=tx.info["actor"].removeprefix("task:"),
            number=claimed.lease,
            asked_at=claimed.at,
            answered_at=now(tx),
            outcome=outcome,
            detail=detail,
        )
    )


def get(tx: Session, caller: Caller, payment_id: str) -> Payment:
    payment = tx.scalar(
        select(Payment).filter_by(
            id=payment_id, merchant_id=caller.merchant_id, livemode=caller.livemode
        )
    )
    if payment is None:
        raise NotFound(f"There is no payment {payment_id!r}.")
    return payment


def listed(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    mine = select(Payment).filter_by(merchant_id=caller.merchant_id, livemode=caller.livemode)
    if query["status"] not in (None, *PaymentStatus):
        raise Invalid.param("status", f"Must be one of {', '.join(PaymentStatus)}.")
    filters = []
    if query["status"] is not None:
        filters.append(Payment.status == query["status"])
    if query["order_id"] is not None:
        order = orders.find(tx, caller, query["order_id"])
        filters.append(Payment.order_id == (order.id if order else None))
    limits = {name: query[name] for name in ("limit", "starting_after")}
    return page(tx, mine, Payment, *filters, **limits)


def make_open_due(tx: Session, *, before: datetime, per_second: int) -> int:
    """Have every payment that is not at an end looked at, spread so that Stripe is not flooded.

    Takes those created up to `before`; one that waits for another to end is owed nothing yet.
    Returns how many there are.
    """
    table = Payment.__table__.c
    turn = func.row_number().over(order_by=(table.checked_at.nulls_first(), table.id))
    ranked = select(table.id, turn.label("turn")).where(*_unfinished(before)).subquery()
    when = func.gateway_now() + ranked.c.turn * timedelta(seconds=1 / per_second)
    moved = tx.execute(
        bulk_update(Payment)
        .where(Payment.id == ranked.c.id)
        .values(due_at=func.least(func.coalesce(Payment.due_at, when), when))
        .execution_options(synchronize_session=False)
    )
    return int(moved.rowcount)  # type: ignore[attr-defined]


def unchecked(tx: Session, *, since: datetime) -> int:
    """How many payments from before `since` are not at an end and have not been answered for."""
    stale = or_(Payment.checked_at.is_(None), Payment.checked_at < since)
    count = select(func.count()).select_from(Payment).where(*_unfinished(since), stale)
    return tx.scalar(count) or 0


def _unfinished(before: datetime) -> tuple[ColumnElement[bool], ...]:
    begun = or_(Payment.due_at.is_not(None), Payment.stripe_session_id.is_not(None))
    return (Payment.status.in_(OPEN), Payment.created_at < before, begun)
