"""Reserve, sell and give back pieces: all that an order asks for, or nothing.

Runs inside the caller's transaction, as its last statements: the stock of a SKU is what buyers
queue for. Rows are locked in the order of SKUs, so that two orders never wait for each other. What
an order holds changes only under the order's own lock, which the caller has.
"""

import re
from collections import Counter
from typing import Any, NamedTuple, Protocol

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from gateway.inventory.models import Place, Stock, StockMovement
from gateway.inventory.schemas import SKU, SKU_WORDS
from gateway.kernel.db import held, now
from gateway.kernel.errors import Conflict, Invalid, NotFound
from gateway.kernel.http import Caller
from gateway.kernel.pages import Page

P = Place


class OutOfStock(Conflict):
    """Fewer pieces are left than were asked for. Nothing was reserved."""

    code, title = "out_of_stock", "There are not enough pieces."


class StockBelowReserved(Conflict):
    """Pieces promised to unpaid orders cannot go: cancel orders first, or keep that many."""

    code, title = "stock_below_reserved", "More pieces are reserved."


class Holder(Protocol):
    """An order, as far as stock knows it."""

    @property
    def id(self) -> str: ...
    @property
    def merchant_id(self) -> str: ...
    @property
    def livemode(self) -> bool: ...
    @property
    def items(self) -> list[Any]: ...


class Held(NamedTuple):
    reserved: int
    sold: int


def reserve(tx: Session, order: Holder) -> None:
    """Bring what the order holds to what its items ask for. Raises `OutOfStock`, having changed
    nothing.
    """
    wanted: Counter[str] = Counter()
    for item in order.items:
        if "sku" in item:
            wanted[item["sku"]] += item["quantity"]
    holds = _holdings(tx, order)
    change = {
        sku: wanted[sku] - sum(holds.get(sku, (0, 0))) for sku in wanted.keys() | holds.keys()
    }
    rows = _lock(tx, order, [sku for sku, pieces in change.items() if pieces])
    short = [
        f"{row.available} of {row.sku!r} are available, {change[row.sku]} more are needed"
        for row in rows
        if change[row.sku] > row.available
    ]
    if short:
        raise OutOfStock(f"{'; '.join(short)}. Order fewer, or wait until there are more.")
    for row in rows:
        _move(tx, row, order.id, P.AVAILABLE, P.RESERVED, change[row.sku])


def sell(tx: Session, order: Holder) -> None:
    """What was reserved for the order is its own."""
    if not order.items:
        return
    holds = {sku: each for sku, each in _holdings(tx, order).items() if each.reserved}
    for row in _lock(tx, order, holds):
        _move(tx, row, order.id, P.RESERVED, P.SOLD, holds[row.sku].reserved)


def give_back(tx: Session, order: Holder) -> None:
    """What the order holds, reserved or sold, can be bought by others."""
    if not order.items:
        return
    holds = _holdings(tx, order)
    for row in _lock(tx, order, holds):
        _move(tx, row, order.id, P.RESERVED, P.AVAILABLE, holds[row.sku].reserved)
        _move(tx, row, order.id, P.SOLD, P.AVAILABLE, holds[row.sku].sold)


def _holdings(tx: Session, order: Holder) -> dict[str, Held]:
    """What the order holds by SKU, out of its movements. Nothing for SKUs that were not tracked."""
    into, out, pieces = StockMovement.to_place, StockMovement.from_place, StockMovement.quantity

    def net(place: Place) -> Any:
        arrived = func.coalesce(func.sum(pieces).filter(into == place), 0)
        return arrived - func.coalesce(func.sum(pieces).filter(out == place), 0)

    totals = (
        select(StockMovement.sku, net(P.RESERVED), net(P.SOLD))
        .where(StockMovement.order_id == order.id)
        .group_by(StockMovement.sku)
    )
    found = {sku: Held(int(reserved), int(sold)) for sku, reserved, sold in tx.execute(totals)}
    return {sku: each for sku, each in found.items() if each != (0, 0)}


def _lock(tx: Session, order: Holder, skus: Any) -> list[Stock]:
    """Their rows, held; fewer than asked for when some are not tracked."""
    if not skus:
        return []
    rows = (
        select(Stock)
        .filter_by(merchant_id=order.merchant_id, livemode=order.livemode)
        .where(Stock.sku.in_(sorted(skus)))
        .order_by(Stock.sku)
    )
    return list(tx.scalars(held(rows)))


def _move(
    tx: Session,
    row: Stock,
    order_id: str | None,
    from_place: Place,
    to_place: Place,
    pieces: int,
) -> None:
    """Move `pieces`, or the other way when negative, and write it down."""
    if pieces < 0:
        from_place, to_place, pieces = to_place, from_place, -pieces
    if pieces == 0:
        return
    for place, change in ((from_place, -pieces), (to_place, pieces)):
        row.reserved += change if place == P.RESERVED else 0
        row.on_hand += change if place in (P.RESERVED, P.AVAILABLE) else 0
    tx.add(
        StockMovement(
            merchant_id=row.merchant_id,
            livemode=row.livemode,
            sku=row.sku,
            order_id=order_id,
            from_place=from_place,
            to_place=to_place,
            quantity=pieces,
            actor=tx.info["actor"],
            created_at=now(tx),
        )
    )


def count(tx: Session, caller: Caller, sku: str, *, on_hand: int) -> Stock:
    """The merchant has counted: there are `on_hand` pieces. A SKU is tracked from then on."""
    _check(sku)
    key = {"merchant_id": caller.merchant_id, "livemode": caller.livemode, "sku": sku}
    fresh = upsert(Stock).values(**key, on_hand=0, reserved=0).on_conflict_do_nothing()
    tx.execute(fresh)
    row = tx.scalars(held(select(Stock).filter_by(**key))).one()
    if on_hand < row.reserved:
        raise StockBelowReserved(
            f"Sent {on_hand}; of {sku!r} {row.reserved} are reserved for unpaid orders. Send"
            f" {row.reserved} or more, or cancel such orders first."
        )
    _move(tx, row, None, P.OUTSIDE, P.AVAILABLE, on_hand - row.on_hand)
    return row


def _check(sku: str) -> None:
    if not re.fullmatch(SKU, sku):
        raise NotFound(f"There can be no SKU {sku!r}: it must be {SKU_WORDS}.")


def get(tx: Session, caller: Caller, sku: str) -> Stock:
    _check(sku)
    row = tx.get(Stock, (caller.merchant_id, caller.livemode, sku))
    if row is None:
        raise NotFound(f"The SKU {sku!r} is not tracked. PUT its `on_hand` to begin.")
    return row


def listed(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """By SKU: stock has no birth to sort by."""
    mine = select(Stock).filter_by(merchant_id=caller.merchant_id, livemode=caller.livemode)
    after, limit = query["starting_after"], query["limit"]
    if after is not None:
        if tx.scalar(mine.where(Stock.sku == after)) is None:
            raise Invalid.param("starting_after", f"{after!r} is no SKU of this list.")
        mine = mine.where(Stock.sku > after)
    found = list(tx.scalars(mine.order_by(Stock.sku).limit(limit + 1)))
    return Page(data=found[:limit], has_more=len(found) > limit)
