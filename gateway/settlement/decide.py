"""From our row and Stripe's answer: where a payment is to go, when it is looked at again, and what
a person must see. Reads only; `apply` writes.
"""

import random
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.captures import service as captures
from gateway.kernel.db import now
from gateway.payments.models import ENDED, Payment, PaymentStatus, Resolution
from gateway.processor.types import CheckoutSession
from gateway.refunds.models import Refund, RefundStatus
from gateway.settings import settings
from gateway.settlement import movements, refunding
from gateway.settlement.requests import is_late, is_unwanted

S = PaymentStatus
# Money is under way, or the shopper may still pay: look again even if no webhook comes.
POLLED = (S.REQUIRES_ACTION, S.PROCESSING)
# A payment that stays as it is is asked about ever more seldom, down to so many seconds.
LONGEST_POLL_SECONDS = 7200
UNSETTLED_SECONDS, DISPUTED_SECONDS = 3600, 86400


class Look(NamedTuple):
    """When Stripe is asked again, even if no webhook comes. A poll can wait for its turn."""

    seconds: float
    is_poll: bool = True


def target(
    payment: Payment, said: PaymentStatus, wrong: dict[str, Any] | None
) -> PaymentStatus | None:
    """Where the payment is to go now, if anywhere."""
    if payment.status == S.REFUNDED:
        return None  # from there only a refund that fails leads on
    if payment.status == S.REVIEW:
        return _leaving_review(payment, said, wrong)
    if wrong is not None:
        return S.REVIEW if payment.can(S.REVIEW) else None
    if said == S.EXPIRED and payment.cancel_requested_at is not None:
        said = S.CANCELLED
    if said in ENDED and not payment.can(said):  # an end all the same, in the words there are
        said = S.FAILED if payment.can(S.FAILED) else S.CANCELLED
    return said if payment.can(said) else None


def _leaving_review(
    payment: Payment, said: PaymentStatus, wrong: dict[str, Any] | None
) -> PaymentStatus | None:
    """Only where an operator wants it to go, and Stripe has gone there."""
    decided = payment.resolution == Resolution.REFUND or (
        payment.resolution == Resolution.ACCEPT and wrong is None
    )
    if decided and said in ENDED:
        return S.FAILED if said == S.FAILED else S.CANCELLED
    accepted = decided and payment.resolution == Resolution.ACCEPT
    return S.SUCCEEDED if accepted and said == S.SUCCEEDED else None


def next_look(
    tx: Session, payment: Payment, session: CheckoutSession, said: PaymentStatus
) -> Look | None:
    """None if nothing more is owed."""
    looks: list[Look] = []
    if said in POLLED and payment.status != S.REVIEW:
        looks.append(Look(poll_seconds(payment, at=now(tx))))
    open_too_long = said == S.REQUIRES_ACTION and is_late(payment, at=now(tx))
    if open_too_long or (said in (S.REQUIRES_ACTION, S.AUTHORIZED) and is_unwanted(payment)):
        # At once if nobody has tried it yet: its page was opened by the call that was answered.
        untried = payment.stripe_session_id is None
        looks.append(Look(0 if untried else settings().poll_seconds, is_poll=False))
    elif said == S.REQUIRES_ACTION and payment.expire_at is not None:
        looks.append(Look((payment.expire_at - now(tx)).total_seconds(), is_poll=False))
    if said == S.AUTHORIZED and captures.pending(tx, payment.id) is not None:
        looks.append(Look(UNSETTLED_SECONDS))
    if said == S.SUCCEEDED and _is_refunding(tx, payment, session):
        looks.append(Look(UNSETTLED_SECONDS))
    if session.intent is not None and movements.is_disputed(session.intent):
        looks.append(Look(DISPUTED_SECONDS))
    return min(looks, default=None)


def poll_seconds(payment: Payment, *, at: datetime) -> float:
    """As long again as it has been waiting, a little at random, so that a rush of payments
    does not become a rush of polls.
    """
    waited = (at - payment.created_at).total_seconds()
    wait = min(max(waited, settings().poll_seconds), LONGEST_POLL_SECONDS)
    return wait * random.uniform(0.8, 1)  # noqa: S311


def _is_refunding(tx: Session, payment: Payment, session: CheckoutSession) -> bool:
    """Whether a refund is on its way: one that Stripe reports as such, or one of ours that it does
    not report at all.
    """
    reported = session.intent.refunds if session.intent is not None else ()
    if any(refunding.is_unsettled(each) for each in reported):
        return True
    if not payment.amount_captured:
        return False
    known = {each.id for each in reported} | {each.refund_id for each in reported} - {None}
    mine = select(Refund.id, Refund.stripe_refund_id).where(Refund.payment_id == payment.id)
    pending = tx.execute(mine.where(Refund.status == RefundStatus.PENDING))
    return any(known.isdisjoint(ids) for ids in pending)


def attention(payment: Payment, said: PaymentStatus, wrong: dict[str, Any] | None) -> str | None:
    """What only a person can settle, in words."""
    if payment.status != S.REVIEW:
        return None
    if payment.resolution == Resolution.ACCEPT and said == S.AUTHORIZED:
        return (
            "Accepted, but the money is only held. Capture it in Stripe's dashboard, or"
            f" `gateway review {payment.id} refund`."
        )
    reported = wrong or payment.reported or {}
    mode = "live" if reported.get("livemode") else "test"
    return (
        f"Stripe reports {reported.get('amount')} {reported.get('currency')} in {mode} mode;"
        f" `gateway review {payment.id} accept|refund`."
    )
