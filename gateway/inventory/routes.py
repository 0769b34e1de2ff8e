"""HTTP for stock."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.inventory import service
from gateway.inventory.models import Stock
from gateway.inventory.schemas import StockQuery, StockSchema, StockUpdate
from gateway.kernel.errors import NotFound
from gateway.kernel.http import Api, Caller
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret

api = Api("inventory", authenticate=by_secret)


@api.write(
    "/inventory/<sku>",
    accepts=StockUpdate(),
    returns=StockSchema(),
    method="PUT",
    refuses=(NotFound, service.StockBelowReserved),
)
def count_stock(tx: Session, caller: Caller, body: dict[str, Any], sku: str) -> Stock:
    """Say how many pieces of a SKU there are.

    From then on it is tracked: orders reserve their pieces, and what is not there cannot be
    ordered. Send what you counted; pieces already sold are not part of it.
    """
    return service.count(tx, caller, sku, on_hand=body["on_hand"])


@api.read("/inventory", query=StockQuery(), returns=StockSchema())
def list_stock(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """List the tracked SKUs, in the order of their names."""
    return service.listed(tx, caller, query)


@api.read("/inventory/<sku>", returns=StockSchema())
def read_stock(tx: Session, caller: Caller, sku: str) -> Stock:
    """Read the stock of one SKU."""
    return service.get(tx, caller, sku)
