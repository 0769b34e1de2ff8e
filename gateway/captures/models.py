"""A capture: money taken, once, of what an authorised payment holds; the rest is let go."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.captures.schemas import CaptureSchema
from gateway.kernel.asking import Asking
from gateway.kernel.db import Base
from gateway.kernel.stateful import Recorded, Transitions
from gateway.merchants.models import Merchant
from gateway.payments.models import Payment


class CaptureStatus(StrEnum):
    PENDING = "pending"  # to be asked of Stripe, or asked and not seen to be done
    SUCCEEDED = "succeeded"
    FAILED = "failed"


S = CaptureStatus

TRANSITIONS: Transitions = {None: (S.PENDING,), S.PENDING: (S.SUCCEEDED, S.FAILED)}


class Capture(Recorded, Asking, Base):
    __tablename__ = "captures"
    KIND, PREFIX, TRANSITIONS, SCHEMA = "capture", "cap", TRANSITIONS, CaptureSchema()
    ASKS_FOR = "capture"

    merchant_id: Mapped[str] = mapped_column(ForeignKey(Merchant.id))
    payment_id: Mapped[str] = mapped_column(ForeignKey(Payment.id))
    amount: Mapped[int]
    currency: Mapped[str]
    reason: Mapped[str | None]
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]

    __table_args__ = (
        Index("captures_payment_idx", "payment_id", "id"),
        Index("captures_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("captures_attention_idx", "id", postgresql_where=text("needs_attention IS NOT NULL")),
        Index(
            "captures_one_pending_key",
            "payment_id",
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        CheckConstraint("amount > 0", name="amount"),
    )
