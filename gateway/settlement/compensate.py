"""What a payment's end means for its order, its stock and the other payments of the order.

Called in the transaction in which the payment has moved, with the order and all its payments
held. Money that no order can be given for goes back by itself, once per payment.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.inventory import service as inventory
from gateway.inventory.service import OutOfStock
from gateway.kernel.db import now
from gateway.orders.models import Order, OrderStatus
from gateway.payments import service as payments
from gateway.payments.models import LIVE, OPEN, Payment
from gateway.refunds import service as refunds
from gateway.refunds.models import Refund

O = OrderStatus  # noqa: E741 - as S in the domains

# Reasons of the gateway's own refunds. The first is also one of Stripe's three.
DUPLICATE, CANCELLED, NO_STOCK, REVIEWED = (
    "duplicate",
    "order_cancelled",
    "out_of_stock",
    "review",
)


def after_success(tx: Session, order: Order, payment: Payment, every: list[Payment]) -> None:
    """The money is there: fulfil the order with it, or give it back."""
    for other in every:
        if other is not payment and other.status in LIVE:
            payments.let_go(tx, other)
    if order.status == O.CANCELLED or order.cancel_requested_at is not None:
        give_back(tx, payment, CANCELLED)
        end_order(tx, order, reason=order.reason)
    elif order.can(O.PAYMENT_DONE):
        _fulfil(tx, order, payment)
    elif order.paid_by != payment.id:
        give_back(tx, payment, DUPLICATE)


def _fulfil(tx: Session, order: Order, payment: Payment) -> None:
    try:
        if order.status == O.PAYMENT_FAILED:
            inventory.reserve(tx, order)  # it was released when the payment had failed
    except OutOfStock:
        give_back(tx, payment, NO_STOCK)
        return
    order.transition_to(O.PAYMENT_DONE, paid_by=payment.id)
    if order.items:
        order.transition_to(O.PACKAGING)


def hand_over(tx: Session, order: Order) -> None:
    """What is reserved for a paid order is its own. Comes last: others queue for the stock."""
    if order.status == O.PACKAGING:
        inventory.sell(tx, order)


def after_end(tx: Session, order: Order, every: list[Payment]) -> None:
    """If none is left that may bring money, the order waits for another attempt, or ends. One that
    only waited for the others begins.
    """
    unfinished = [each for each in every if each.status in OPEN]
    if order.status != O.PAYMENT_IN_PROGRESS:
        return
    if not unfinished and order.cancel_requested_at is not None:
        end_order(tx, order, reason=order.reason)
    elif not unfinished:
        order.transition_to(O.PAYMENT_FAILED)
        inventory.give_back(tx, order)
    elif len(unfinished) == 1 and unfinished[0].is_unasked and unfinished[0].due_at is None:
        payments.begin(tx, unfinished[0])


def end_order(tx: Session, order: Order, *, reason: str | None) -> None:
    """Cancel the order, whatever was paid is on its way back; its pieces are free again."""
    if order.status != O.CANCELLED:
        order.transition_to(O.CANCELLED, reason=reason)
        inventory.give_back(tx, order)


def give_back(tx: Session, payment: Payment, reason: str, *, again: bool = False) -> None:
    """Refund what is left of a payment, unless that was begun before; `again` even then, since
    somebody wants it.
    """
    begun = select(Refund.id).where(Refund.payment_id == payment.id, Refund.automatic)
    left = refunds.unrefunded(tx, payment)
    if left and (again or tx.scalar(begun.limit(1)) is None):
        refunds.start(tx, payment, amount=left, reason=reason, automatic=True, due_at=now(tx))
