"""What a payment is told by Stripe, and what it asks. What moves it with its order is settlement's.

Every function runs inside the caller's transaction and never talks to the network.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    DateTime,
    Text,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy import update as bulk_update  # noqa: TID251 - a due time is no change of state
from sqlalchemy.orm import Session

from gateway.kernel.db import held, lock, now
from gateway.kernel.due import Claim
from gateway.kernel.errors import Invalid, NotFound
from gateway.kernel.http import Caller
from gateway.kernel.owned import own
from gateway.kernel.pages import Page, page
from gateway.orders import service as orders
from gateway.orders.models import Order
from gateway.payments.models import OPEN, Payment, PaymentStatus, StripeCall
from gateway.processor.types import CheckoutSession
from gateway.settings import settings

S = PaymentStatus

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
        polled=False,
        stripe_intent_id=func.coalesce(
            _TABLE.c.stripe_intent_id,
            case((~exists().where(_OTHER.c.stripe_intent_id == _INTENT), _INTENT)),
        ),
    )
)
_WHEN: Any = bindparam("when", type_=DateTime(timezone=True))
_MAKE_DUE_BY = (
    bulk_update(_TABLE)
    .where(_TABLE.c.id == bindparam("subject"), _TABLE.c.status.in_(OPEN))
    .values(due_at=func.least(func.coalesce(_TABLE.c.due_at, _WHEN), _WHEN), polled=False)
)
# Between a question and the moment its answer is written down, with a slow Stripe, and two clocks.
ANSWER_TAKES = timedelta(minutes=2)
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
    session that is complete or expired without money proves one. While it is open nothing is with
    the bank yet that could not come back to the shopper.
    """
    said = session.intent.status if session.intent is not None else None
    if said in FROM_INTENT and (said, session.status) != ("processing", "open"):
        return FROM_INTENT[said]
    if session.status == "expired":  # Stripe cancels its intent as well
        return S.EXPIRED
    if session.intent is not None and said == "canceled":
        # Stripe's own words for money that was held and that nobody took in time.
        by_time = session.intent.cancellation_reason in ("automatic", "expired")
        return S.EXPIRED if by_time else S.CANCELLED
    if session.status == "complete":
        return S.FAILED if said == "requires_payment_method" else S.PROCESSING
    return S.REQUIRES_ACTION


def mismatch(payment: Payment, session: CheckoutSession) -> dict[str, Any] | None:
    """The figures Stripe reports, if they are neither ours nor what an operator has accepted."""
    intent = session.intent
    theirs = [_figures(session.amount_total, session.currency, session.livemode)]
    if intent is not None:
        theirs.append(_figures(intent.amount, intent.currency, intent.livemode))
        if intent.status == "succeeded" and payment.capture_method == "automatic":
            theirs.append(_figures(intent.amount_received, intent.currency, intent.livemode))
    right = (_figures(payment.amount, payment.currency, payment.livemode), payment.accepted)
    return next((each for each in reversed(theirs) if each not in right), None)


def _figures(amount: int, currency: str, livemode: bool) -> dict[str, Any]:
    return {"amount": amount, "currency": currency, "livemode": livemode}


def let_go(tx: Session, payment: Payment) -> None:
    """Nobody is to pay it any more: at once if Stripe has never heard of it, else a wish, which
    comes true when Stripe has ended it.
    """
    if payment.is_unasked:
        payment.transition_to(S.CANCELLED, due_at=None)
    elif payment.cancel_requested_at is None:
        payment.record(
            "payment.updated",
            cancel_requested_at=now(tx),
            due_at=now(tx),
            polled=False,
            checkout_url=None,
        )


def begin(tx: Session, payment: Payment) -> None:
    """Have it asked for at Stripe, now that it need not wait for another."""
    payment.due_at = now(tx)
    payment.expire_at = expiry(tx)


def expiry(tx: Session) -> datetime:
    """Until when a payment that begins now can be paid."""
    return now(tx) + timedelta(seconds=settings().payment_ttl)


def make_due(tx: Session, payment_id: str, *, intent_id: str | None = None) -> None:
    """News: have a worker look at Stripe's present state now, and keep an intent id learned."""
    tx.connection().execute(_MAKE_DUE, {"subject": payment_id, "intent": intent_id})


def make_due_by(tx: Session, payment_id: str, when: datetime) -> None:
    """Have a worker look at Stripe's present state at `when`, unless it does so before."""
    tx.connection().execute(_MAKE_DUE_BY, {"subject": payment_id, "when": when})


def was_asked_about(tx: Session, payment_id: str, *, since: datetime | None) -> bool:
    """Whether Stripe was asked about it after `since`, its time, beyond doubt: we know when an
    answer was written down, and its clock and ours may differ a little.
    """
    checked_at = tx.scalar(select(Payment.checked_at).filter_by(id=payment_id))
    if checked_at is None or since is None:
        return False
    return checked_at > since + ANSWER_TAKES


def match(
    tx: Session, *, session_id: str | None, intent_id: str | None, payment_id: str | None
) -> Meant | None:
    """The payment that news from Stripe is about: by session, else by intent, else by our id."""
    ids = {"session": session_id, "intent": intent_id, "named": payment_id}
    found = tx.connection().execute(_MEANT, ids).first()
    return None if found is None else Meant(*found)


def note_call(
    tx: Session, claimed: Claim[Any], payment_id: str, outcome: str, detail: str | None = None
) -> None:
    """Keep what a question to Stripe came to, for who asks later what happened."""
    tx.add(
        StripeCall(
            payment_id=payment_id,
            task=tx.info["actor"].removeprefix("task:"),
            number=claimed.lease,
            asked_at=claimed.at,
            answered_at=now(tx),
            outcome=outcome,
            detail=detail,
        )
    )


def get(tx: Session, caller: Caller, payment_id: str) -> Payment:
    return own(tx, caller, Payment, payment_id)


def order_of(tx: Session, payment_id: str) -> str:
    """Never changes, so that it can be read before anything is locked."""
    order_id = tx.scalar(select(Payment.order_id).filter_by(id=payment_id))
    if order_id is None:
        raise NotFound(f"There is no payment {payment_id!r}.")
    return order_id


def hold(tx: Session, caller: Caller, payment_id: str) -> Payment:
    """As `get`, locked below its order."""
    order_id = get(tx, caller, payment_id).order_id
    lock(tx, Order, order_id)
    return lock(tx, Payment, payment_id)


def hold_all(tx: Session, order: Order) -> list[Payment]:
    """Every payment of an order that is held already, oldest first."""
    return list(tx.scalars(held(select(Payment).filter_by(order_id=order.id).order_by(Payment.id))))


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
