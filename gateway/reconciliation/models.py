"""Where we and Stripe did not agree: found by a run, and never forgotten until it is handled."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gateway.kernel.db import Base
from gateway.kernel.runs import Run
from gateway.kernel.stateful import Stateful, Transitions
from gateway.merchants.models import Merchant
from gateway.payments.models import Payment


class Kind(StrEnum):
    """What differs."""

    MISSING_HERE = "missing_here"  # Stripe has it, and we know nothing of it
    MISSING_THERE = "missing_there"  # we have it, and Stripe denies it
    STATE_DIFFERS = "state_differs"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    DUPLICATE = "duplicate"  # Stripe has it twice
    REFUND_SUM_DIFFERS = "refund_sum_differs"


class DiscrepancyStatus(StrEnum):
    OPEN = "open"  # somebody should look
    FIXED = "fixed"  # they agree now; the row says how that came
    RESOLVED = "resolved"  # somebody has looked; the row says who, and what was done


S = DiscrepancyStatus

TRANSITIONS: Transitions = {None: (S.OPEN,), S.OPEN: (S.FIXED, S.RESOLVED)}


class Discrepancy(Stateful, Base):
    """`subject` is what it is about: our payment, or Stripe's object that is none of ours."""

    __tablename__ = "discrepancies"
    KIND, PREFIX, TRANSITIONS = "discrepancy", "dcr", TRANSITIONS

    run_id: Mapped[str] = mapped_column(ForeignKey(Run.id))  # which found it
    kind: Mapped[str]
    subject: Mapped[str]
    payment_id: Mapped[str | None] = mapped_column(ForeignKey(Payment.id))
    merchant_id: Mapped[str | None] = mapped_column(ForeignKey(Merchant.id))
    livemode: Mapped[bool]
    ours: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    theirs: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    reason: Mapped[str]
    handled_by: Mapped[str | None]
    how: Mapped[str | None]
    handled_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "discrepancies_open_key",
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("status = 'open'"),
        ),
        Index("discrepancies_run_idx", "run_id", "id"),
        Index(
            "discrepancies_payment_idx",
            "payment_id",
            "id",
            postgresql_where=text("payment_id IS NOT NULL"),
        ),
        Index("discrepancies_subject_idx", "subject", "id"),
        Index("discrepancies_list_idx", "merchant_id", "livemode", "id"),
    )


class RunSubject(Base):
    """A payment that a run has still to ask about by itself."""

    __tablename__ = "run_subjects"

    run_id: Mapped[str] = mapped_column(ForeignKey(Run.id), primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey(Payment.id), primary_key=True, index=True)
