"""The next attempt to be paid for an order: after one that failed, or in place of a live one.

A payment that takes another's place waits until Stripe has proved that the other has ended, so
that at no time an order can be paid twice. If the other was paid after all, that wins.
"""

from sqlalchemy.orm import Session

from gateway.kernel.errors import Conflict
from gateway.kernel.http import Caller
from gateway.orders.models import Order, OrderStatus
from gateway.payments import service as payments
from gateway.payments.models import ENDED, OPEN, Payment, PaymentStatus
from gateway.settlement.create import attempt, like
from gateway.settlement.holding import family
from gateway.settlement.requests import SUPERSEDABLE

S = PaymentStatus


class PaymentNotRetryable(Conflict):
    """Another attempt is made when the last has ended without money, or before money moves."""

    code, title = "payment_not_retryable", "There can be no other attempt now."


def retry(tx: Session, caller: Caller, payment_id: str) -> Payment:
    """The next attempt, with the parameters of this one: due now, or when this one has ended."""
    named = payments.get(tx, caller, payment_id)
    order, payment, every = family(tx, named.id, order_id=named.order_id)
    _check(order, payment, every)
    if payment.status in OPEN:
        payments.let_go(tx, payment)
        tx.flush()  # the place of the order's one live payment is free
    opening = {"opening": payment.opening | {"key_id": caller.key_id}}
    return attempt(tx, order, every, **like(payment) | opening)


def _check(order: Order, payment: Payment, every: list[Payment]) -> None:
    others = [each for each in every if each.status in OPEN and each is not payment]
    first = next((each for each in others if each.is_live), None)
    stays = next((each for each in others if each.status not in SUPERSEDABLE), None)
    if order.status in (OrderStatus.PAYMENT_IN_PROGRESS, OrderStatus.PAYMENT_FAILED):
        if order.cancel_requested_at is not None:
            why = f"its order {order.id} is being cancelled"
        elif first is not None:
            why = (
                f"payment {first.id} has taken its place and is {first.status}: use that one, and"
                " retry it only to replace it"
            )
        elif stays is not None:
            why = f"payment {stays.id} of its order is {stays.status}, and must end first"
        elif payment.status in (*SUPERSEDABLE, *ENDED):
            return
        else:
            why = f"only {', '.join((*SUPERSEDABLE, *ENDED))} can be followed by another"
    else:
        why = f"its order {order.id} is {order.status}"
    raise PaymentNotRetryable(f"Payment {payment.id} is {payment.status}; {why}.")
