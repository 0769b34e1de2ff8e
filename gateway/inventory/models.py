"""Stock per SKU, and the ledger of every piece that moved."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway.kernel.db import Base
from gateway.merchants.models import Merchant


class Place(StrEnum):
    """Where a piece can be. Whatever leaves one place arrives in another."""

    OUTSIDE = "outside"  # not with the merchant: delivered from there, or written off
    AVAILABLE = "available"
    RESERVED = "reserved"  # promised to an order that is not paid yet
    SOLD = "sold"


class Stock(Base):
    """`reserved` of the `on_hand` pieces are promised. A SKU without a row is not tracked."""

    __tablename__ = "inventory"

    merchant_id: Mapped[str] = mapped_column(ForeignKey(Merchant.id), primary_key=True)
    livemode: Mapped[bool] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    on_hand: Mapped[int]
    reserved: Mapped[int]

    __table_args__ = (CheckConstraint("0 <= reserved AND reserved <= on_hand", name="reserved"),)

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved


class StockMovement(Base):
    """Never changed. Those of one order tell what it holds."""

    __tablename__ = "stock_movements"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[str]
    livemode: Mapped[bool]
    sku: Mapped[str]
    order_id: Mapped[str | None]
    from_place: Mapped[str]
    to_place: Mapped[str]
    quantity: Mapped[int]
    actor: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ("merchant_id", "livemode", "sku"), (Stock.merchant_id, Stock.livemode, Stock.sku)
        ),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint(
            "from_place <> to_place"
            " AND from_place IN ('outside', 'available', 'reserved', 'sold')"
            " AND to_place IN ('outside', 'available', 'reserved', 'sold')",
            name="places",
        ),
        Index("stock_movements_order_idx", "order_id"),
        Index("stock_movements_sku_idx", "merchant_id", "livemode", "sku", "id"),
    )
