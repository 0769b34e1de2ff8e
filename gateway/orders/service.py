"""What can happen to an order by itself. What moves it together with payments is settlement's.

Every function runs inside the caller's transaction and never talks to the network.
"""

from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from gateway.inventory import service as inventory
from gateway.kernel.db import held
from gateway.kernel.errors import Conflict, Invalid, NotFound
from gateway.kernel.http import Caller, Reply
from gateway.kernel.ids import is_id
from gateway.kernel.money import MAX_AMOUNT, inexact
from gateway.kernel.pages import Page, page
from gateway.orders.models import Order, OrderStatus, expiry
from gateway.orders.schemas import total


class DuplicateOrder(Conflict):
    """A reference names one order per merchant and mode. Use another, or send the same content."""

    code, title = "duplicate_order", "Another order has this reference."


class OrderNotModifiable(Conflict):
    """An order can be changed until somebody begins to pay it. Cancel it, and make a new one."""

    code, title = "order_not_modifiable", "The order cannot be changed any more."


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
    """A new order with its stock reserved, or None if the reference is taken."""
    end = expiry(tx)
    order = Order.start_once(
        tx,
        due_at=end,
        expires_at=end,
        merchant_id=caller.merchant_id,
        livemode=caller.livemode,
        reference=body["reference"],
        currency=body["currency"],
        amount=total(body),
        items=body["items"],
        customer_email=body["customer_email"],
        meta=body["metadata"],
    )
    if order is not None and order.items:
        inventory.reserve(tx, order)
    return order


def update(tx: Session, caller: Caller, name: str, body: dict[str, Any]) -> Order:
    """Change what is sent and leave the rest; the reservation follows the items."""
    order = hold(tx, caller, name)
    if order is None:
        raise missing(name)
    if body.get("reference", order.reference) != order.reference:
        raise Invalid.param("reference", "Cannot be changed: it is what the order is known by.")
    if order.status != OrderStatus.CREATED:
        raise OrderNotModifiable(
            f"Order {order.id} is {order.status}; only a created one, which nobody has begun to"
            " pay, can be changed."
        )
    changes = _changes(order, body)
    if changes:
        order.record("order.updated", **changes)
        if "items" in changes:
            inventory.reserve(tx, order)
    return order


def _changes(order: Order, body: dict[str, Any]) -> dict[str, Any]:
    """What will be different, by column."""
    wanted = {
        "currency": body.get("currency", order.currency),
        "items": [] if "amount" in body else body.get("items", order.items),
        "customer_email": body.get("customer_email", order.customer_email),
        "meta": body.get("metadata", order.meta),
    }
    amount = total({"items": wanted["items"], "amount": body.get("amount", order.amount)})
    if amount > MAX_AMOUNT:
        raise Invalid.param("items", f"The items come to {amount}; {MAX_AMOUNT} is the most.")
    if why := inexact(amount, wanted["currency"]):
        raise Invalid.param("amount", why)
    wanted["amount"] = amount
    return {name: value for name, value in wanted.items() if value != getattr(order, name)}


def _same(order: Order, body: dict[str, Any]) -> bool:
    asked = (body["currency"], total(body), body["items"], body["customer_email"], body["metadata"])
    return asked == (order.currency, order.amount, order.items, order.customer_email, order.meta)


def find(tx: Session, caller: Caller, name: str) -> Order | None:
    """By id, then by reference; only among the caller's own of this mode."""
    return tx.scalar(_NAMED[_column(name)], _values(caller, name))


def get(tx: Session, caller: Caller, name: str) -> Order:
    order = find(tx, caller, name)
    if order is None:
        raise missing(name)
    return order


def missing(name: str) -> NotFound:
    return NotFound(f"There is no order with the id or reference {name!r}.")


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
