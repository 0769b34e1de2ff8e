"""Endpoints merchants registered, what is to be delivered to them, and every attempt."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.callbacks.schemas import EndpointSchema
from gateway.kernel.db import Base, now
from gateway.kernel.events import Event
from gateway.kernel.seal import unseal
from gateway.kernel.stateful import Recorded, Stateful, Transitions
from gateway.merchants.models import Merchant


class EndpointStatus(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    DELETED = "deleted"


ENDPOINT_TRANSITIONS: Transitions = {
    None: (EndpointStatus.ENABLED,),
    EndpointStatus.ENABLED: (EndpointStatus.DISABLED, EndpointStatus.DELETED),
    EndpointStatus.DISABLED: (EndpointStatus.ENABLED, EndpointStatus.DELETED),
}


class Endpoint(Recorded, Base):
    __tablename__ = "callback_endpoints"
    KIND, PREFIX, TRANSITIONS, SCHEMA = "endpoint", "we", ENDPOINT_TRANSITIONS, EndpointSchema()

    merchant_id: Mapped[str] = mapped_column(ForeignKey(Merchant.id))
    url: Mapped[str]
    events: Mapped[list[Any]]
    description: Mapped[str | None]
    sealed_secret: Mapped[str]
    previous_sealed_secret: Mapped[str | None]  # signs too until `previous_until`
    previous_until: Mapped[datetime | None]
    # Its circuit is closed while `open_until` is null, open until then, half-open after it.
    open_until: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failing_since: Mapped[datetime | None]  # the first failure after the last success
    last_error: Mapped[str | None]
    disabled_code: Mapped[str | None]
    disabled_message: Mapped[str | None]

    __table_args__ = (
        Index("callback_endpoints_list_idx", "merchant_id", "livemode", "id"),
        Index(
            "callback_endpoints_attention_idx",
            "id",
            postgresql_where=text("needs_attention IS NOT NULL"),
        ),
        Index("callback_endpoints_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    @property
    def secret(self) -> str:
        """What signs its callbacks; shown to the merchant once."""
        return unseal(self.sealed_secret, bound_to=secret_row(self.id))

    @property
    def secret_rotates_until(self) -> datetime | None:
        """Until when the secret before this one signs too; None once that is over."""
        until = self.previous_until
        return until if until is not None and until > now(self._session()) else None


def secret_row(endpoint_id: str) -> str:
    """What a sealed secret is bound to: in another row it does not open."""
    return f"callback_endpoints:{endpoint_id}"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"  # answered with a 2xx
    EXHAUSTED = "exhausted"  # the schedule is over, or its endpoint is gone


DELIVERY_TRANSITIONS: Transitions = {
    None: (DeliveryStatus.PENDING,),
    DeliveryStatus.PENDING: (DeliveryStatus.DELIVERED, DeliveryStatus.EXHAUSTED),
    DeliveryStatus.DELIVERED: (DeliveryStatus.PENDING,),
    DeliveryStatus.EXHAUSTED: (DeliveryStatus.PENDING,),
}


class DisabledCode(StrEnum):
    PAUSED = "paused"  # the merchant asked for it
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # only failures for days; it is tried now and then


class Delivery(Stateful, Base):
    """One event on its way to one endpoint. Its attempts are its log; it writes no events.

    Pending without a due time it waits in its endpoint's lane, and `lanes` says for what.
    """

    __tablename__ = "callback_deliveries"
    KIND, PREFIX, TRANSITIONS = "delivery", "wd", DELIVERY_TRANSITIONS

    merchant_id: Mapped[str]
    livemode: Mapped[bool]
    event_id: Mapped[str] = mapped_column(ForeignKey(Event.id))
    event_type: Mapped[str]
    endpoint_id: Mapped[str] = mapped_column(ForeignKey(Endpoint.id))
    attempted: Mapped[int] = mapped_column(default=0)  # attempts made, of which each has a row

    __table_args__ = (
        UniqueConstraint("event_id", "endpoint_id"),
        Index("callback_deliveries_list_idx", "merchant_id", "livemode", "id"),
        Index("callback_deliveries_endpoint_idx", "endpoint_id", "id"),
        Index(
            "callback_deliveries_attention_idx",
            "id",
            postgresql_where=text("needs_attention IS NOT NULL"),
        ),
        Index("callback_deliveries_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "callback_deliveries_exhausted_idx",
            "id",
            postgresql_where=text("status = 'exhausted'"),
        ),
        Index(
            "callback_deliveries_lane_idx",
            "endpoint_id",
            "id",
            postgresql_where=text("status = 'pending' AND due_at IS NULL"),
        ),
        Index(
            "callback_deliveries_open_idx",
            "merchant_id",
            "livemode",
            "id",
            postgresql_where=text("status <> 'delivered'"),
        ),
        Index("callback_deliveries_type_idx", "merchant_id", "livemode", "event_type", "id"),
    )

    attempt_log: Mapped[list["Attempt"]] = relationship(
        order_by="Attempt.number", viewonly=True, lazy="select"
    )


class Attempt(Base):
    """One POST to an endpoint and what came of it."""

    __tablename__ = "callback_attempts"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey(Delivery.id))
    number: Mapped[int]
    started_at: Mapped[datetime]  # wall time, as signed
    recorded_at: Mapped[datetime | None]  # by the clock of events; null before migration 0003
    duration_ms: Mapped[int]
    status_code: Mapped[int | None]  # null when no answer came
    error: Mapped[str | None]  # in words, when it failed
    response_headers: Mapped[list[Any]]
    response_body: Mapped[str]  # the first KiB

    __table_args__ = (
        Index("callback_attempts_delivery_idx", "delivery_id", "number", unique=True),
    )
