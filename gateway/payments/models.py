"""A payment: one attempt to be paid for an order through one Stripe Checkout Session."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.kernel.asking import Asking
from gateway.kernel.db import Base
from gateway.kernel.stateful import Recorded, Transitions
from gateway.merchants.models import Merchant
from gateway.orders.models import Order
from gateway.payments.schemas import PaymentSchema


class PaymentStatus(StrEnum):
    PENDING = "pending"  # recorded; Stripe has not answered yet
    REQUIRES_ACTION = "requires_action"  # the shopper can pay at `checkout_url`
    PROCESSING = "processing"  # the bank takes its time
    AUTHORIZED = "authorized"  # held on the card, to be captured
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"  # everything captured was given back
    REVIEW = "review"  # Stripe reports another amount, currency or mode than ours


S = PaymentStatus

TRANSITIONS: Transitions = {
    None: (S.PENDING,),
    S.PENDING: (
        S.REQUIRES_ACTION,
        S.PROCESSING,
        S.AUTHORIZED,
        S.SUCCEEDED,
        S.FAILED,
        S.EXPIRED,
        S.CANCELLED,
        S.REVIEW,
    ),
    S.REQUIRES_ACTION: (
        S.PROCESSING,
        S.AUTHORIZED,
        S.SUCCEEDED,
        S.FAILED,
        S.EXPIRED,
        S.CANCELLED,
        S.REVIEW,
    ),
    S.PROCESSING: (S.AUTHORIZED, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.REVIEW),
    S.AUTHORIZED: (S.SUCCEEDED, S.CANCELLED, S.EXPIRED, S.REVIEW),
    # A late success is believed: Stripe has the money.
    S.FAILED: (S.SUCCEEDED, S.REVIEW),
    S.EXPIRED: (S.SUCCEEDED, S.REVIEW),
    S.CANCELLED: (S.SUCCEEDED, S.REVIEW),
    S.SUCCEEDED: (S.REFUNDED, S.REVIEW),
    S.REFUNDED: (S.SUCCEEDED,),  # a refund failed days later
    S.REVIEW: (S.SUCCEEDED, S.REFUNDED, S.FAILED, S.CANCELLED),
}

LIVE = (S.PENDING, S.REQUIRES_ACTION, S.PROCESSING, S.AUTHORIZED)  # payable, or about to be paid
OPEN = (*LIVE, S.REVIEW)  # not at an end
ENDED = (S.FAILED, S.EXPIRED, S.CANCELLED)  # without money


class Resolution(StrEnum):
    """What an operator has decided about a payment under review."""

    ACCEPT = "accept"  # what Stripe reports is right
    REFUND = "refund"  # give back whatever was taken


class Payment(Recorded, Asking, Base):
    __tablename__ = "payments"
    KIND, PREFIX, TRANSITIONS, SCHEMA = "payment", "pay", TRANSITIONS, PaymentSchema()
    ASKS_FOR = "session"

    merchant_id: Mapped[str] = mapped_column(ForeignKey(Merchant.id))
    order_id: Mapped[str] = mapped_column(ForeignKey(Order.id))
    order_reference: Mapped[str | None]
    attempt: Mapped[int]
    amount: Mapped[int]
    currency: Mapped[str]
    method: Mapped[str | None]
    vpa: Mapped[str | None]
    capture_method: Mapped[str]
    return_url: Mapped[str | None]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata")
    # Who began it, `key_id`; then of the first page that opened it `origin`, `mode`, `return_url`.
    opening: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    amount_captured: Mapped[int] = mapped_column(default=0)
    amount_refunded: Mapped[int] = mapped_column(default=0)
    checkout_url: Mapped[str | None]
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    cancel_requested_at: Mapped[datetime | None]  # a wish, until Stripe has decided
    expire_at: Mapped[datetime | None]  # nobody may pay it any more

    stripe_session_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_intent_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_failed_charge_id: Mapped[str | None]  # the decline that was told last
    request_params: Mapped[dict[str, Any] | None] = mapped_column(
        "session_params", JSON(none_as_null=True)
    )
    requested_at: Mapped[datetime | None] = mapped_column("session_requested_at")
    request_number: Mapped[int] = mapped_column("session_attempt", default=1)
    look_first: Mapped[bool] = mapped_column("session_look_first", default=False)
    # Amount, currency and mode: as Stripe reports them under review, and as an operator took them.
    reported: Mapped[dict[str, Any] | None]
    accepted: Mapped[dict[str, Any] | None]
    resolution: Mapped[str | None]
    checked_at: Mapped[datetime | None]  # when Stripe last answered about it
    # Due by the clock alone: nothing new is known of it, so it can wait for its turn.
    polled: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    __table_args__ = (
        Index(
            "payments_one_live_per_order_key",
            "order_id",
            unique=True,
            postgresql_where=text(
                "status IN ('pending', 'requires_action', 'processing', 'authorized')"
                " AND cancel_requested_at IS NULL"
            ),
        ),
        Index("payments_order_idx", "order_id", "attempt", unique=True),
        Index("payments_list_idx", "merchant_id", "livemode", "id"),
        Index(
            "payments_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL AND NOT polled")
        ),
        Index(
            "payments_polled_idx", "due_at", postgresql_where=text("due_at IS NOT NULL AND polled")
        ),
        Index(
            "payments_open_idx",
            "checked_at",
            postgresql_where=text(
                "status IN ('pending', 'requires_action', 'processing', 'authorized', 'review')"
            ),
        ),
        Index("payments_attention_idx", "id", postgresql_where=text("needs_attention IS NOT NULL")),
        CheckConstraint("amount between 1 and 99999999", name="amount"),
        CheckConstraint(
            "0 <= amount_refunded AND amount_refunded <= amount_captured", name="refunded"
        ),
    )

    @property
    def is_live(self) -> bool:
        """Whether the order is to be paid by this one."""
        return self.status in LIVE and self.cancel_requested_at is None

    @property
    def is_unasked(self) -> bool:
        """Whether Stripe has never heard of it: it can end without proof."""
        return self.status == S.PENDING and self.requested_at is None

    @property
    def received_in(self) -> str:
        """The currency that Stripe has taken: ours, but for a payment that was under review."""
        figures = self.accepted or self.reported or {}
        return str(figures.get("currency", self.currency))


class StripeCall(Base):
    """One question to Stripe that failed or told something new; the others leave `checked_at`."""

    __tablename__ = "stripe_calls"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey(Payment.id))
    task: Mapped[str]
    number: Mapped[int]  # of the lease: every try has its own, those that crashed as well
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime] = mapped_column(index=True)
    outcome: Mapped[str]  # the status it led to, `declined`, `refused` or `unanswered`
    detail: Mapped[str | None]

    __table_args__ = (Index("stripe_calls_payment_idx", "payment_id", "id"),)
