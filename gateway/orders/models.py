"""An order: what a shopper is to pay for. It is the lock of everything below it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from gateway.kernel.db import Base
from gateway.kernel.stateful import Recorded, Transitions
from gateway.merchants.models import Merchant
from gateway.orders.schemas import OrderSchema


class OrderStatus(StrEnum):
    CREATED = "created"  # nobody has tried to pay
    PAYMENT_IN_PROGRESS = "payment_in_progress"
    PAYMENT_DONE = "payment_done"
    PAYMENT_FAILED = "payment_failed"  # the next attempt may be made
    PACKAGING = "packaging"  # paid, and it has items to pack
    CANCELLED = "cancelled"


S = OrderStatus

TRANSITIONS: Transitions = {
    None: (S.CREATED,),
    S.CREATED: (S.PAYMENT_IN_PROGRESS, S.CANCELLED),
    S.PAYMENT_IN_PROGRESS: (S.PAYMENT_DONE, S.PAYMENT_FAILED, S.CANCELLED),
    S.PAYMENT_FAILED: (S.PAYMENT_IN_PROGRESS, S.PAYMENT_DONE, S.CANCELLED),
    S.PAYMENT_DONE: (S.PACKAGING, S.CANCELLED),
    S.PACKAGING: (S.CANCELLED,),
}


class Order(Recorded, Base):
    __tablename__ = "orders"
    KIND, PREFIX, TRANSITIONS, SCHEMA = "order", "ord", TRANSITIONS, OrderSchema()

    merchant_id: Mapped[str] = mapped_column(ForeignKey(Merchant.id))
    reference: Mapped[str | None]
    currency: Mapped[str]
    amount: Mapped[int]
    items: Mapped[list[Any]]
    customer_email: Mapped[str | None]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata")
    reason: Mapped[str | None]  # why it was cancelled
    cancel_requested_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]

    __table_args__ = (
        Index("orders_reference_key", "merchant_id", "livemode", "reference", unique=True),
        Index("orders_list_idx", "merchant_id", "livemode", "id"),
        CheckConstraint("amount between 1 and 99999999", name="amount"),
        CheckConstraint("char_length(reference) between 1 and 64", name="reference"),
    )
