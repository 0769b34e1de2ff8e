"""Where an order stands, as the order page shows it.

That is decided by the gateway's statuses and by the callbacks that came, never by an address.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import words
from backstage import Callback

PAID, PAYABLE = ("payment_done", "packaging"), ("created", "payment_failed")


@dataclass(frozen=True)
class Stage:
    """Where the shopper is: what to say, and which of the page's parts to show."""

    name: str  # paid, pay, waiting, again or over
    heading: str
    text: str
    tone: str = "busy"


_OPENING = Stage("waiting", "Opening the payment page …", "This takes a second or two.")
_SLOW = Stage(
    "waiting",
    "Opening the payment page …",
    "It takes longer than usual: Stripe has not answered yet, and is asked again.",
)
_BANK = Stage("waiting", "The bank is working on it", "You need not wait here; we will know.")
_HELD = Stage("waiting", "The amount is held", "It is taken when we send your parcel.")
_REVIEW = Stage("waiting", "A person is looking at your payment", "Nothing is sent until then.")
_PAY = Stage("pay", "Ready for your payment", "Nothing was taken so far.")
_NEW = Stage("again", "Not paid yet", "You can pay this order now.", "calm")
_PAID = Stage("paid", "Paid, thank you", "We pack once the gateway's callback is here.", "good")
_PACKED = Stage("paid", "Paid, and being packed", "Your tea things are as good as yours.", "good")
_RETURNING = Stage("paid", "Your money is on its way back", "The bank takes its time for that.")
_BACK = Stage("over", "You have your money back", "The payment was refunded in full.", "calm")
_CANCELLED = Stage("over", "This order was cancelled", "Nothing more will be taken.", "calm")
_WAITING = {"processing": _BANK, "authorized": _HELD, "review": _REVIEW, "succeeded": _BANK}
_ENDED = {
    "failed": "The payment failed",
    "expired": "Nobody paid in time",
    "cancelled": "The payment was given up",
}


def chosen(order: dict[str, Any], payments: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The payment that the page is about: the one that paid, else the newest."""
    paid = [each for each in payments if each["status"] in ("succeeded", "refunded")]
    return next(iter(paid if order["status"] in PAID else payments), None)


@dataclass(frozen=True)
class View:
    """An order as the gateway and the callbacks describe it at this moment."""

    order: dict[str, Any]
    payment: dict[str, Any] | None
    refunds: list[dict[str, Any]]
    packed: Callback | None

    @property
    def name(self) -> str:
        return str(self.order["reference"] or self.order["id"])

    @property
    def status(self) -> str:
        """The order's own, but for one that was given back, which stays paid at the gateway."""
        return "refunded" if self.stage is _BACK else str(self.order["status"])

    @property
    def stage(self) -> Stage:
        if self.order["status"] == "cancelled":
            return _CANCELLED
        if self.order["status"] in PAID:
            return self._paid()
        return _unpaid(self.order, self.payment) if self.payment else _NEW

    def _paid(self) -> Stage:
        if self.payment and self.payment["status"] == "refunded":
            return _BACK
        if self.refunds and self.refunds[0]["status"] == "pending":
            return _RETURNING
        return _PACKED if self.packed else _PAID

    @property
    def checkout_url(self) -> str | None:
        """Where to pay, while the shopper can."""
        url = self.payment["checkout_url"] if self.payment else None
        if not url or self.stage.name != "pay":
            return None
        return str(url) if urlsplit(url).scheme in ("http", "https") else None

    @property
    def is_refundable(self) -> bool:
        if not self.payment or self.payment["status"] != "succeeded":
            return False
        return all(each["status"] in ("failed", "cancelled") for each in self.refunds)

    @property
    def is_watched(self) -> bool:
        return self.stage.name in ("waiting", "pay") or self.stage in (_PAID, _RETURNING)


def _unpaid(order: dict[str, Any], payment: dict[str, Any]) -> Stage:
    status, why = payment["status"], str((payment["failure"] or {}).get("message") or "")
    if status == "pending":
        return _SLOW if payment["certainty"] == "unconfirmed" else _OPENING
    if status == "requires_action":
        if not payment["failure"]:
            return _PAY
        return Stage("pay", "That was declined", f"{why} Try another way to pay.", "bad")
    if status in _WAITING:
        return _WAITING[status]
    if status == "refunded":
        return _BACK
    heading = words.words(status, _ENDED)
    if order["status"] not in PAYABLE:
        return Stage("waiting", heading, "The order is being brought up to date.", "bad")
    return Stage("again", heading, f"{why} Nothing was taken.".strip(), "bad")
