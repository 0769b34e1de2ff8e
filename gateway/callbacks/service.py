"""Endpoints, and what is owed to them. Knows events and merchants, never payments.

Every function runs inside the caller's transaction; the sending is `sender`'s, outside of it.
"""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from os import urandom
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, insert, or_, select
from sqlalchemy.orm import Session

from gateway.callbacks.catalogue import EVERYTHING, TESTED
from gateway.callbacks.models import (
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    secret_row,
)
from gateway.kernel.db import lock, now
from gateway.kernel.errors import Conflict, Invalid, NotFound
from gateway.kernel.events import Event
from gateway.kernel.http import Caller
from gateway.kernel.ids import new_id
from gateway.kernel.pages import Page, page
from gateway.kernel.seal import seal
from gateway.merchants.models import Merchant
from gateway.settings import settings

SECRET_BYTES = 32
MAX_ENDPOINTS = 20


class TooManyEndpoints(Conflict):
    """Each event is sent to every endpoint that wants it. Delete one that is not used."""

    code, title = "too_many_endpoints", "The merchant has as many endpoints as allowed."


class EndpointDeleted(Conflict):
    """The endpoint of this delivery is gone, so there is nowhere to send it."""

    code, title = "endpoint_deleted", "The endpoint was deleted."


class EndpointDisabled(Conflict):
    """Nothing is sent to a disabled endpoint. Enable it first; `disabled_reason` says why it is."""

    code, title = "endpoint_disabled", "The endpoint is disabled."


def create(tx: Session, caller: Caller, body: dict[str, Any]) -> Endpoint:
    lock(tx, Merchant, caller.merchant_id)  # so that two at once are counted one after the other
    mine = list(tx.scalars(_endpoints(caller).with_only_columns(Endpoint.id)))
    if len(mine) >= MAX_ENDPOINTS:
        raise TooManyEndpoints(f"There are {len(mine)}; {MAX_ENDPOINTS} are allowed.")
    endpoint_id = new_id("we")
    return Endpoint.start(
        tx,
        id=endpoint_id,
        merchant_id=caller.merchant_id,
        livemode=caller.livemode,
        sealed_secret=sealed_secret(endpoint_id),
        **body,
    )


def sealed_secret(endpoint_id: str) -> str:
    """A new secret, which opens in this endpoint's row only."""
    secret = f"whsec_{b64encode(urandom(SECRET_BYTES)).decode()}"
    return seal(secret, bound_to=secret_row(endpoint_id))


def _endpoints(caller: Caller) -> Select[Any]:
    return select(Endpoint).where(
        Endpoint.merchant_id == caller.merchant_id,
        Endpoint.livemode == caller.livemode,
        Endpoint.status != EndpointStatus.DELETED,
    )


def get(tx: Session, caller: Caller, endpoint_id: str) -> Endpoint:
    found: Endpoint | None = tx.scalar(_endpoints(caller).where(Endpoint.id == endpoint_id))
    if found is None:
        raise NotFound(f"There is no webhook endpoint {endpoint_id!r}.")
    return found


def listed(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    return page(tx, _endpoints(caller), Endpoint, **query)


def change(tx: Session, caller: Caller, endpoint_id: str, changes: dict[str, Any]) -> Endpoint:
    endpoint = hold(tx, caller, endpoint_id)
    if changes:
        endpoint.record("endpoint.updated", **changes)
    return endpoint


def delete(tx: Session, caller: Caller, endpoint_id: str) -> Endpoint:
    """The row stays, for the deliveries that point to it; what it is still owed is dropped."""
    endpoint = hold(tx, caller, endpoint_id)
    endpoint.transition_to(EndpointStatus.DELETED, due_at=now(tx))
    return endpoint


def hold(tx: Session, caller: Caller, endpoint_id: str) -> Endpoint:
    """Locked; whoever waited for another's deletion finds nothing, like whoever comes later."""
    endpoint = lock(tx, Endpoint, get(tx, caller, endpoint_id).id)
    if endpoint.status == EndpointStatus.DELETED:
        raise NotFound(f"There is no webhook endpoint {endpoint_id!r}.")
    return endpoint


def refuse_disabled(endpoint: Endpoint) -> None:
    if endpoint.status == EndpointStatus.DISABLED:
        raise EndpointDisabled(
            f"Endpoint {endpoint.id} is disabled ({endpoint.disabled_code}). Enable it first:"
            f" POST /api/v1/webhook-endpoints/{endpoint.id}/enable."
        )


def wanted() -> ColumnElement[bool]:
    """Whether the endpoint wants the event: all, this type, or it is the test of this endpoint."""
    own_test = and_(Event.type == TESTED, Event.subject_id == Endpoint.id)
    return or_(
        Endpoint.events.contains([EVERYTHING]), Endpoint.events.has_key(Event.type), own_test
    )


def fan_out(tx: Session, *, first: int, last: int) -> int:
    """A delivery, due now, for each event of these positions and each endpoint that wants it."""
    pairs = tx.execute(
        select(Event.id, Event.type, Event.merchant_id, Event.livemode, Endpoint.id)
        .join(
            Endpoint,
            (Endpoint.merchant_id == Event.merchant_id) & (Endpoint.livemode == Event.livemode),
        )
        .where(Event.position.between(first, last), wanted())
        .where(Endpoint.status != EndpointStatus.DELETED)
        .order_by(Event.position)
    ).all()
    add_deliveries(tx, pairs, due_at=now(tx) + timedelta(seconds=settings().retry_intervals[0]))
    return len(pairs)


def add_deliveries(tx: Session, pairs: Sequence[Any], *, due_at: datetime | None) -> None:
    """One for each (event's id, type, merchant, mode, endpoint's id); in the lane, if not due."""
    common: dict[str, Any] = {
        "status": DeliveryStatus.PENDING,
        "lease": 0,
        "attempts": 0,
        "attempted": 0,
        "created_at": now(tx),
        "updated_at": now(tx),
        "due_at": due_at,
    }
    columns = ("event_id", "event_type", "merchant_id", "livemode", "endpoint_id")
    rows = [common | dict(zip(columns, pair, strict=True)) | {"id": new_id("wd")} for pair in pairs]
    if rows:
        tx.execute(insert(Delivery.__table__), rows)


def _deliveries(caller: Caller) -> Select[Any]:
    return select(Delivery).filter_by(merchant_id=caller.merchant_id, livemode=caller.livemode)


def get_delivery(tx: Session, caller: Caller, delivery_id: str) -> Delivery:
    found: Delivery | None = tx.scalar(_deliveries(caller).where(Delivery.id == delivery_id))
    if found is None:
        raise NotFound(f"There is no webhook delivery {delivery_id!r}.")
    return found


def list_deliveries(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    if query["status"] not in (None, *DeliveryStatus):
        raise Invalid.param("status", f"Must be one of {', '.join(DeliveryStatus)}.")
    columns = {
        "endpoint_id": Delivery.endpoint_id,
        "event_id": Delivery.event_id,
        "event_type": Delivery.event_type,
        "status": Delivery.status,
    }
    filters = [column == query[name] for name, column in columns.items() if query[name] is not None]
    limits = {name: query[name] for name in ("limit", "starting_after")}
    return page(tx, _deliveries(caller), Delivery, *filters, **limits)


def retry(tx: Session, caller: Caller, delivery_id: str) -> Delivery:
    """One more attempt, now, whatever became of it before; an open circuit lets it through."""
    endpoint = lock(tx, Endpoint, get_delivery(tx, caller, delivery_id).endpoint_id)
    if endpoint.status == EndpointStatus.DELETED:
        raise EndpointDeleted(f"Endpoint {endpoint.id} was deleted.")
    refuse_disabled(endpoint)
    if endpoint.open_until is not None:
        endpoint.open_until = min(endpoint.open_until, now(tx))
    delivery = lock(tx, Delivery, delivery_id)
    if delivery.status != DeliveryStatus.PENDING:
        delivery.transition_to(DeliveryStatus.PENDING)
    delivery.due_at = now(tx)
    return delivery


def is_told(tx: Session, subject_id: str, type: str) -> bool:
    """Whether every endpoint that wants the newest event of this type has answered it with 2xx."""
    of_it = select(Event.id, Event.position).filter_by(subject_id=subject_id, type=type)
    event = tx.execute(of_it.order_by(Event.seq.desc()).limit(1)).first()
    if event is None or event.position is None:  # its deliveries come with its number
        return False
    undone = (Delivery.event_id == event.id, Delivery.status != DeliveryStatus.DELIVERED)
    return tx.scalar(select(Delivery.id).where(*undone).limit(1)) is None
