"""What the shop sells, and what it takes for a cart. Prices are decided here, never by a page."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

NAME, CURRENCY, MOST = "Kettle & Fern", "INR", 9
METHODS = ("card", "upi")


@dataclass(frozen=True)
class Product:
    drawing: str
    name: str
    text: str
    amount: int  # in minor units
    pieces: int  # on the shelf when the store first opens

    def line(self, sku: str, quantity: int) -> dict[str, Any]:
        """A line of an order, as the gateway wants it."""
        return {"sku": sku, "name": self.name, "quantity": quantity, "unit_amount": self.amount}


PRODUCTS = {
    "KF-TEAPOT": Product(
        "teapot", "Stoneware teapot", "Holds three cups, pours without a drip.", 349000, 40
    ),
    "KF-CUPS": Product(
        "cups", "Two morning cups", "Glazed by hand, so no two are the same.", 129000, 12
    ),
    "KF-CHAI": Product("chai", "Masala chai", "Assam, cardamom and ginger. 250\u00a0g.", 49900, 99),
}
# To try, by method; docs of the sandbox have more of them.
TRIALS = {
    "card": {
        "4242 4242 4242 4242": "pays",
        "4000 0000 0000 0002": "is declined",
        "4000 0027 6000 3184": "asks for 3D Secure",
        "4000 0000 0000 7726": "pays; its refund takes an hour",
    },
    "upi": {
        "shopper@upi": "pays",
        "failure@upi": "is declined",
        "pending@upi": "pays, an hour later",
        "late-failure@upi": "fails, an hour later",
    },
}


class BadCart(ValueError):
    """What the page sent is no cart of this shop; the message is for the shopper."""


def lines(items: Any) -> list[dict[str, Any]]:
    """The cart as the gateway wants it. SKUs and quantities are the page's, the rest is ours."""
    if not isinstance(items, list) or not items:
        raise BadCart("Your cart is empty. Add something first.")
    wanted: dict[str, int] = {}
    for item in items:
        sku, quantity = (
            (item.get("sku"), item.get("quantity")) if isinstance(item, dict) else (0, 0)
        )
        if not isinstance(sku, str) or sku not in PRODUCTS or sku in wanted:
            raise BadCart(f"Each item names one of {', '.join(PRODUCTS)}, once, as its sku.")
        if type(quantity) is not int or not 1 <= quantity <= MOST:
            raise BadCart(f"Of {PRODUCTS[sku].name} you can buy 1 to {MOST}.")
        wanted[sku] = quantity
    return [each.line(sku, wanted[sku]) for sku, each in PRODUCTS.items() if sku in wanted]


def from_form(form: Any) -> dict[str, Any]:
    """A plain form as the script would have sent it."""
    given = {sku: form.get(sku, "").strip()[:4] for sku in PRODUCTS}
    items = [
        {"sku": sku, "quantity": int(text) if text.isascii() and text.isdigit() else text}
        for sku, text in given.items()
        if text not in ("", "0")
    ]
    return {"token": form.get("token"), "method": form.get("method"), "items": items}


def price(amount: int, currency: str = CURRENCY) -> str:
    """349000, INR -> ₹3,490.00; all that this shop sells has two decimals."""
    figure = f"{Decimal(amount).scaleb(-2):,.2f}"
    return f"₹{figure}" if currency == CURRENCY else f"{figure} {currency}"


def ours(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest that were made here; the merchant may sell elsewhere, too."""
    return [order for order in orders if (order["reference"] or "").startswith("KF-")][:6]
