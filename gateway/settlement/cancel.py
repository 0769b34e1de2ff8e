"""Cancel a payment or an order, or let an unpaid order expire.

What Stripe has heard of ends with Stripe's proof only: until then there is a wish, which a worker
takes there. A paid order gives everything back in the same transaction.
"""

from sqlalchemy.orm import Session

from gateway.captures import service as captures
from gateway.captures.service import CapturePending
from gateway.kernel.db import lock, now
from gateway.kernel.due import Claim, is_ours, settle
from gateway.kernel.errors import Conflict
from gateway.kernel.http import Caller, Reply
from gateway.orders import service as orders
from gateway.orders.models import PAID, UNPAID, Order, OrderStatus
from gateway.payments import service as payments
from gateway.payments.models import LIVE, Payment, PaymentStatus
from gateway.settlement import compensate
from gateway.settlement.holding import family

S = PaymentStatus
EXPIRED, ASKED_FOR = "expired", "requested"


class PaymentNotCancellable(Conflict):
    """Only a payment that has not ended can be cancelled; money that was taken is refunded."""

    code, title = "payment_not_cancellable", "The payment cannot be cancelled any more."


def cancel_payment(tx: Session, caller: Caller, payment_id: str) -> Reply[Payment]:
    """202 with the wish kept, or fulfilled where Stripe has never heard of the payment; 200 if it
    is cancelled already.
    """
    named = payments.get(tx, caller, payment_id)
    order, payment, every = family(tx, named.id, order_id=named.order_id)
    if payment.status == S.CANCELLED:
        return Reply(payment, 200)
    if payment.status not in LIVE:
        instead = {S.SUCCEEDED: " Refund it instead.", S.REVIEW: " An operator has to decide."}
        raise PaymentNotCancellable(
            f"Payment {payment.id} is {payment.status}; only {', '.join(LIVE)} can be cancelled."
            + instead.get(PaymentStatus(payment.status), "")
        )
    _check_no_capture(tx, payment)
    payments.let_go(tx, payment)
    compensate.after_end(tx, order, every)
    return Reply(payment, 202)


def cancel_order(tx: Session, caller: Caller, name: str, *, reason: str | None) -> Reply[Order]:
    """202 with the order, cancelled now or as soon as its payments have ended; 200 if it was."""
    order = orders.hold(tx, caller, name)
    if order is None:
        raise orders.missing(name)
    if order.status == OrderStatus.CANCELLED:
        return Reply(order, 200)
    every = payments.hold_all(tx, order)
    why = reason or order.reason or ASKED_FOR
    if order.status in PAID:
        for payment in every:
            if payment.status == S.SUCCEEDED:
                compensate.give_back(tx, payment, compensate.CANCELLED, again=True)
    if order.status == OrderStatus.PAYMENT_IN_PROGRESS:
        _wish(tx, order, every, why)
    else:
        compensate.end_order(tx, order, reason=why)
    return Reply(order, 202)


def _wish(tx: Session, order: Order, every: list[Payment], reason: str) -> None:
    for payment in every:
        _check_no_capture(tx, payment)
    if order.cancel_requested_at is None:
        order.record("order.updated", cancel_requested_at=now(tx), reason=reason)
    for payment in every:
        if payment.status in LIVE:
            payments.let_go(tx, payment)
    compensate.after_end(tx, order, every)


def _check_no_capture(tx: Session, payment: Payment) -> None:
    if captures.pending(tx, payment.id) is not None:
        raise CapturePending(
            f"A capture of payment {payment.id}, which is {payment.status}, is pending. Wait until"
            " it has succeeded, then refund it, or has failed."
        )


def expire_order(tx: Session, claimed: Claim[Order]) -> None:
    """Nobody began to pay it in time."""
    order = lock(tx, Order, claimed.row.id)
    if not is_ours(order, claimed):
        return
    waits_on = order.due_at is not None and order.due_at > now(tx)
    settle(tx, order, claimed, due_in=None)
    if order.status in UNPAID and not waits_on:
        compensate.end_order(tx, order, reason=EXPIRED)
