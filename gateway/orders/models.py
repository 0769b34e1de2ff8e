"""An order: what a shopper is to pay for. It is the lock of everything below it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.kernel.db import Base, now
from gateway.kernel.stateful import Recorded, Transitions
from gateway.merchants.models import Merchant
from gateway.orders.schemas import OrderSchema
from gateway.settings import settings


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

PAID = (S.PAYMENT_DONE, S.PACKAGING)
UNPAID = (S.CREATED, S.PAYMENT_FAILED)  # waits for a payment to begin, and not for ever


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
    reason: Mapped[str | None]  # why it was cancelled, or is to be
    cancel_requested_at: Mapped[datetime | None]  # a wish, until Stripe has let go of its payments
    expires_at: Mapped[datetime | None]
    paid_by: Mapped[str | None]  # the payment on which it was fulfilled; see `is_given_for`

    __table_args__ = (
        Index("orders_reference_key", "merchant_id", "livemode", "reference", unique=True),
        Index("orders_list_idx", "merchant_id", "livemode", "id"),
        Index("orders_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("orders_attention_idx", "id", postgresql_where=text("needs_attention IS NOT NULL")),
        CheckConstraint("amount between 1 and 99999999", name="amount"),
        CheckConstraint("char_length(reference) between 1 and 64", name="reference"),
    )

    def transition_to(self, status: StrEnum, *, tells: str | None = None, **changes: Any) -> None:
        """An order is due when it has stayed unpaid for too long, and at no other time."""
        end = expiry(self._session()) if status in UNPAID else None
        super().transition_to(status, tells=tells, due_at=end, expires_at=end, **changes)

    def is_given_for(self, payment_id: str) -> bool:
        """Whether that payment's money is kept; any other that succeeds goes back."""
        return self.paid_by == payment_id and self.status != OrderStatus.CANCELLED


def expiry(tx: Session) -> datetime:
    """When an order that begins to wait now has waited too long."""
    return now(tx) + timedelta(seconds=settings().order_ttl)
