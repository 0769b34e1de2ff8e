"""An event as Stripe sent it. It is a hint: what it says is never applied, only asked about."""

from enum import StrEnum

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.kernel.db import Base
from gateway.kernel.stateful import Stateful, Transitions


class StripeEventStatus(StrEnum):
    RECEIVED = "received"  # its payment is due
    PROCESSED = "processed"  # Stripe was asked about its payment after it came
    IGNORED = "ignored"  # not for us; `reason` says why
    UNMATCHED = "unmatched"  # no payment of ours, yet; reconciliation tries again
    FAILED = "failed"


S = StripeEventStatus

TRANSITIONS: Transitions = {
    None: (S.RECEIVED,),
    S.RECEIVED: (S.PROCESSED, S.IGNORED, S.UNMATCHED, S.FAILED),
    S.UNMATCHED: (S.PROCESSED, S.IGNORED),
    S.FAILED: (S.PROCESSED, S.IGNORED),
}


class StripeEvent(Stateful, Base):
    __tablename__ = "stripe_events"
    KIND, PREFIX, TRANSITIONS = "stripe_event", "sev", TRANSITIONS

    stripe_event_id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    livemode: Mapped[bool]
    api_version: Mapped[str | None]
    object_id: Mapped[str | None]
    session_id: Mapped[str | None]
    intent_id: Mapped[str | None]
    named_payment_id: Mapped[str | None]  # as its metadata says
    payment_id: Mapped[str | None]  # as matched
    reason: Mapped[str | None]
    body: Mapped[str]  # the text as signed
    # We asked for it, because it had not been sent.
    fetched: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    __table_args__ = (
        Index(
            "stripe_events_received_idx",
            "payment_id",
            "created_at",
            postgresql_where=text("status IN ('received', 'unmatched')"),
        ),
        Index(
            "stripe_events_unmatched_idx",
            "created_at",
            postgresql_where=text("status = 'unmatched'"),
        ),
        Index("stripe_events_payment_idx", "payment_id", "id"),
    )
