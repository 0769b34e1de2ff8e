"""HTTP for orders."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.inventory.service import OutOfStock
from gateway.kernel.http import Api, Caller, Reply
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret
from gateway.orders import service
from gateway.orders.models import Order
from gateway.orders.schemas import OrderCreate, OrderQuery, OrderSchema, OrderUpdate

api = Api("orders", authenticate=by_secret)


@api.write(
    "/orders",
    accepts=OrderCreate(),
    returns=OrderSchema(),
    status=201,
    also={200: "It was there already, with the same content."},
    refuses=(service.DuplicateOrder, OutOfStock),
)
def create_order(tx: Session, caller: Caller, body: dict[str, Any]) -> Reply[Order]:
    """Create an order.

    Give either `items`, which are priced here, or an `amount`. A `reference` names one order: the
    same content again answers 200 with that order. Pieces of tracked SKUs are reserved until the
    order is paid or has ended; unpaid it ends by itself at `expires_at`.
    """
    return service.create(tx, caller, body)


@api.write(
    "/orders/<name>",
    accepts=OrderUpdate(),
    returns=OrderSchema(),
    method="PUT",
    refuses=(service.OrderNotModifiable, OutOfStock),
)
def update_order(tx: Session, caller: Caller, body: dict[str, Any], name: str) -> Order:
    """Change an order that nobody has begun to pay.

    Fields that are left out stay as they are; `items` replace all items, or a plain `amount`.
    """
    return service.update(tx, caller, name, body)


@api.read("/orders", query=OrderQuery(), returns=OrderSchema())
def list_orders(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """List orders, newest first."""
    return service.listed(tx, caller, query)


@api.read("/orders/<name>", returns=OrderSchema())
def read_order(tx: Session, caller: Caller, name: str) -> Order:
    """Read an order, by its id or your reference."""
    return service.get(tx, caller, name)
