"""What can happen to an order by itself. What moves it together with payments is settlement's.

Every function runs inside the caller's transaction and never talks to the network.
"""

from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from gateway.kernel.db import held
from gateway.kernel.errors import Conflict, Invalid, NotFound
from gateway.kernel.http import Caller, Reply
from gateway.kernel.ids import is_id
from gateway.kernel.pages import Page, page
from gateway.orders.models import Order, OrderStatus
from gateway.orders.schemas import total


class DuplicateOrder(Conflict):
    """A reference names one order per merchant and mode. Use another, or send the same content."""

    code, title = "duplicate_order", "Another order has this reference."


def _named(column: str) -> Select[Order]:
    mine = select(Order).filter_by(merchant_id=bindparam("merchant_id"))
    return mine.filter_by(livemode=bindparam("livemode"), **{column: bindparam("name")})


# On the way of every payment: a statement costs more to build than to send.
_NAMED = {column: _named(column) for column in ("id", "reference")}
_HELD = {column: held(statement) for column, statement in _NAMED.items()}


def _column(name: str) -> str:
    return "id" if is_id(name, "ord") else "reference"


def _values(caller: Caller, name: str) -> dict[str, Any]:
    return {"merchant_id": caller.merchant_id, "livemode": caller.livemode, "name": name}


def create(tx: Session, caller: Caller, body: dict[str, Any]) -> Reply[Order]:
    """201 with a new order; 200 with the one that has this reference and the same content."""
    order = begin(tx, caller, body)
    if order is not None:
        return Reply(order, 201)
    existing = find(tx, caller, body["reference"])
    assert existing is not None  # noqa: S101 - orders are never deleted
    if not _same(existing, body):
        raise DuplicateOrder(
            f"{body['reference']!r} is order {existing.id} with another content; it is"
            f" {existing.status} over {existing.amount} {existing.currency}."
        )
    return Reply(existing, 200)


def begin(tx: Session, caller: Caller, body: dict[str, Any]) -> Order | None:
    """A new order, or None if the reference is taken."""
    return Order.start_once(
        tx,
        merchant_id=caller.merchant_id,
        livemode=caller.livemode,
        reference=body["reference"],
        currency=body["currency"],
        amount=total(body),
        items=body["items"],
        customer_email=body["customer_email"],
        meta=body["metadata"],
    )


def _same(order: Order, body: dict[str, Any]) -> bool:
    asked = (body["currency"], total(body), body["items"], body["customer_email"], body["metadata"])
    return asked == (order.currency, order.amount, order.items, order.customer_email, order.meta)


def find(tx: Session, caller: Caller, name: str) -> Order | None:
    """By id, then by reference; only among the caller's own of this mode."""
    return tx.scalar(_NAMED[_column(name)], _values(caller, name))


def get(tx: Session, caller: Caller, name: str) -> Order:
    order = find(tx, caller, name)
    if order is None:
        raise NotFound(f"There is no order with the id or reference {name!r}.")
    return order


def hold(tx: Session, caller: Caller, name: str) -> Order | None:
    """As `find`, locked: whoever holds the order may change everything below it."""
    return tx.scalar(_HELD[_column(name)], _values(caller, name))


def listed(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    mine = select(Order).filter_by(merchant_id=caller.merchant_id, livemode=caller.livemode)
    if query["status"] not in (None, *OrderStatus):
        raise Invalid.param("status", f"Must be one of {', '.join(OrderStatus)}.")
    filters = [
        column == query[name]
        for name, column in (("status", Order.status), ("reference", Order.reference))
        if query[name] is not None
    ]
    limits = {name: query[name] for name in ("limit", "starting_after")}
    return page(tx, mine, Order, *filters, **limits)
