"""A dispute, as Stripe tells of it. It is answered at Stripe; here it is only known."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from gateway.disputes.schemas import DisputeSchema
from gateway.kernel.db import Base
from gateway.kernel.stateful import Recorded, Transitions
from gateway.merchants.models import Merchant
from gateway.payments.models import Payment


class DisputeStatus(StrEnum):
    OPEN = "open"  # answer it at Stripe before `respond_by`
    WON = "won"  # the money stays, or came back
    LOST = "lost"


S = DisputeStatus

TRANSITIONS: Transitions = {None: (S.OPEN,), S.OPEN: (S.WON, S.LOST)}


class Dispute(Recorded, Base):
    __tablename__ = "disputes"
    KIND, PREFIX, TRANSITIONS, SCHEMA = "dispute", "dsp", TRANSITIONS, DisputeSchema()

    merchant_id: Mapped[str] = mapped_column(ForeignKey(Merchant.id))
    payment_id: Mapped[str] = mapped_column(ForeignKey(Payment.id))
    amount: Mapped[int]
    currency: Mapped[str]
    reason: Mapped[str | None]
    respond_by: Mapped[datetime | None]
    stripe_dispute_id: Mapped[str] = mapped_column(unique=True)

    __table_args__ = (
        Index("disputes_payment_idx", "payment_id", "id"),
        Index("disputes_list_idx", "merchant_id", "livemode", "id"),
    )
