"""The one order in which rows are locked: order, its payments by id, then what is below them."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.db import lock
from gateway.orders.models import Order
from gateway.payments import service as payments
from gateway.payments.models import Payment


def family(
    tx: Session, payment_id: str, *, order_id: str | None = None
) -> tuple[Order, Payment, list[Payment]]:
    """A payment with its order and every payment of that, oldest first. `order_id` saves a read."""
    order = lock(tx, Order, order_id or payments.order_of(tx, payment_id))
    every = payments.hold_all(tx, order)
    return order, next(each for each in every if each.id == payment_id), every


def below(tx: Session, row: Any) -> tuple[Payment, Any]:
    """The payment of a capture or refund, and that row as it is now."""
    lock(tx, Order, payments.order_of(tx, row.payment_id))
    return lock(tx, Payment, row.payment_id), lock(tx, type(row), row.id)
