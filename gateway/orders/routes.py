"""HTTP for orders."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.http import Api, Caller, Reply
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret
from gateway.orders import service
from gateway.orders.models import Order
from gateway.orders.schemas import OrderCreate, OrderQuery, OrderSchema

api = Api("orders", authenticate=by_secret)


@api.write(
    "/orders",
    accepts=OrderCreate(),
    returns=OrderSchema(),
    status=201,
    also=(200,),
    refuses=(service.DuplicateOrder,),
)
def create_order(tx: Session, caller: Caller, body: dict[str, Any]) -> Reply[Order]:
    """Create an order.

    Give either `items`, which are priced here, or an `amount`. A `reference` names one order: the
    same content again answers 200 with that order.
    """
    return service.create(tx, caller, body)


@api.read("/orders", query=OrderQuery(), returns=OrderSchema())
def list_orders(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """List orders, newest first."""
    return service.listed(tx, caller, query)


@api.read("/orders/<name>", returns=OrderSchema())
def read_order(tx: Session, caller: Caller, name: str) -> Order:
    """Read an order, by its id or your reference."""
    return service.get(tx, caller, name)
