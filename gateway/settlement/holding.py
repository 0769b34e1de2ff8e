"""The one order in which rows are locked: order, its payments by id, then what is below them."""

from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.captures.models import Capture, CaptureStatus
from gateway.kernel.db import Base, held, lock
from gateway.kernel.due import Claim, settle
from gateway.orders.models import Order
from gateway.payments import service as payments
from gateway.payments.models import Payment
from gateway.refunds.models import Refund, RefundStatus

Movement = TypeVar("Movement", Capture, Refund)
Row = TypeVar("Row", bound=Base)


def family(
    tx: Session, payment_id: str, *, order_id: str | None = None
) -> tuple[Order, Payment, list[Payment]]:
    """A payment with its order and every payment of that, oldest first. `order_id` saves a read."""
    order = lock(tx, Order, order_id or payments.order_of(tx, payment_id))
    every = payments.hold_all(tx, order)
    return order, next(each for each in every if each.id == payment_id), every


def below(tx: Session, claimed: Claim[Movement]) -> tuple[Order, Payment, Movement]:
    """What a capture or refund belongs to, and that row as it is now."""
    row = claimed.row
    order = lock(tx, Order, payments.order_of(tx, row.payment_id))
    return order, lock(tx, Payment, row.payment_id), lock(tx, type(row), row.id)


def settle_below(tx: Session, row: Movement, claimed: Claim[Movement]) -> None:
    """Nothing more is to be asked. What a person was asked to see when it ended stays."""
    ended = row.status != CaptureStatus.PENDING and row.status != RefundStatus.PENDING
    kept = row.needs_attention if ended else None
    settle(tx, row, claimed, due_in=None, attention=kept)


def rows_of(tx: Session, model: type[Row], payment: Payment) -> list[Row]:
    """The captures, refunds or disputes of a payment that is held already, oldest first."""
    table: Any = model
    rows = select(model).where(table.payment_id == payment.id).order_by(table.id)
    return list(tx.scalars(held(rows)))
