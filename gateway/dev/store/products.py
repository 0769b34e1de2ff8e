"""What the shop sells, and how its prices read. The price is the shop's, never the form's."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

NAME = "Kettle & Fern"
_SYMBOLS = {"EUR": "€", "INR": "₹", "USD": "$", "GBP": "£"}
_DECIMALS = dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "UGX", "VND", "XAF", "XOF", "XPF"), 0)
_DECIMALS |= dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3)


@dataclass(frozen=True)
class Product:
    sku: str  # also the name of its drawing
    name: str
    text: str
    amount: int  # in minor units
    currency: str = "EUR"
    method: str | None = None  # None: whatever the hosted page offers

    def order(self, reference: str) -> dict[str, Any]:
        """The order as the gateway wants it."""
        item = {"name": self.name, "quantity": 1, "unit_amount": self.amount}
        return {"reference": reference, "currency": self.currency, "items": [item]}


PRODUCTS = (
    Product("teapot", "Stoneware teapot", "Holds three cups, pours without a drip.", 4900),
    Product("cups", "Two morning cups", "Glazed by hand, so no two are the same.", 2450),
    Product("sencha", "Sencha", "First flush, grassy, a little sweet. 100\u00a0g.", 1290),
    Product("chai", "Masala chai", "Assam, cardamom and ginger. 250\u00a0g.", 49900, "INR", "upi"),
)
BY_SKU = {product.sku: product for product in PRODUCTS}


def price(amount: int, currency: str) -> str:
    """1290, EUR -> €12.90"""
    decimals = _DECIMALS.get(currency, 2)
    figure = f"{Decimal(amount).scaleb(-decimals):,.{decimals}f}"
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{figure}" if symbol else f"{figure} {currency}"
