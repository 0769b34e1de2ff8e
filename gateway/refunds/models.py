"""A refund: money given back of what was captured. It may fail days after it has succeeded."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.kernel.asking import Asking
from gateway.kernel.db import Base
from gateway.kernel.stateful import Recorded, Transitions
from gateway.merchants.models import Merchant
from gateway.payments.models import Payment
from gateway.refunds.schemas import RefundSchema


class RefundStatus(StrEnum):
    PENDING = "pending"  # to be asked of Stripe, or on its way
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


S = RefundStatus

TRANSITIONS: Transitions = {
    None: (S.PENDING,),
    S.PENDING: (S.SUCCEEDED, S.FAILED, S.CANCELLED),
    S.SUCCEEDED: (S.FAILED,),
}


class Refund(Recorded, Asking, Base):
    """`automatic`: made by the gateway itself, for money it could not give an order for."""

    __tablename__ = "refunds"
    KIND, PREFIX, TRANSITIONS, SCHEMA = "refund", "ref", TRANSITIONS, RefundSchema()
    ASKS_FOR = "refund"

    merchant_id: Mapped[str] = mapped_column(ForeignKey(Merchant.id))
    payment_id: Mapped[str] = mapped_column(ForeignKey(Payment.id))
    amount: Mapped[int]
    currency: Mapped[str]
    reason: Mapped[str | None]
    automatic: Mapped[bool] = mapped_column(default=False)
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    stripe_refund_id: Mapped[str | None] = mapped_column(unique=True)

    __table_args__ = (
        Index("refunds_payment_idx", "payment_id", "id"),
        Index("refunds_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("refunds_attention_idx", "id", postgresql_where=text("needs_attention IS NOT NULL")),
        Index("refunds_pending_idx", "payment_id", postgresql_where=text("status = 'pending'")),
        CheckConstraint("amount > 0", name="amount"),
    )
