"""The gateway's statuses in a shopper's words. Decides from them alone, never from the URL."""

from dataclasses import dataclass
from typing import Any

ORDER_WORDS = {
    "created": "Not paid yet",
    "payment_in_progress": "Being paid",
    "payment_done": "Paid",
    "payment_failed": "Payment failed",
    "packaging": "Paid, being packed",
    "cancelled": "Cancelled",
}
PAYMENT_WORDS = {
    "pending": "Opening the payment page",
    "requires_action": "Waiting for you to pay",
    "processing": "The bank is working on it",
    "authorized": "The amount is held",
    "succeeded": "Paid",
    "failed": "Failed",
    "expired": "Expired",
    "cancelled": "Cancelled",
    "refunded": "Given back",
    "review": "Being looked at by a person",
}
PAID = ("payment_done", "packaging")
PAYABLE = ("created", "payment_failed")


def words(status: str, known: dict[str, str]) -> str:
    return known.get(status, status.replace("_", " ").capitalize())


def tone(status: str) -> str:
    """How a status is coloured; its words carry the meaning."""
    if status in (*PAID, "succeeded"):
        return "good"
    if status in ("payment_failed", "failed", "expired"):
        return "bad"
    return "calm" if status in ("created", "cancelled", "refunded") else "busy"


@dataclass(frozen=True)
class Stage:
    """Where the shopper is: what to say, and which of the page's parts to show."""

    name: str  # paid, pay, opening, waiting, again or over
    heading: str
    text: str
    tone: str = "busy"

    @property
    def may_change(self) -> bool:
        return self.name in ("opening", "pay", "waiting")


_OPENING = Stage("opening", "Opening the payment page…", "This takes a second or two.")
_SLOW = Stage(
    "opening",
    "Opening the payment page…",
    "It takes longer than usual: Stripe has not answered yet, and is asked again.",
)
_BANK = Stage("waiting", "The bank is working on it", "You need not wait here; we will know.")
_HELD = Stage("waiting", "The amount is held", "It is taken when we send your parcel.")
_REVIEW = Stage("waiting", "A person is looking at your payment", "Nothing is sent until then.")
_PAID = Stage("paid", "Paid, thank you", "Your tea things are as good as yours.", "good")
_BACK = Stage("over", "You have your money back", "The payment was refunded in full.", "calm")
_CANCELLED = Stage("over", "This order was cancelled", "Nothing more will be taken.", "calm")
_PAY = Stage("pay", "Ready for your payment", "The payment page is open for you.")
_WAITING = {"processing": _BANK, "authorized": _HELD, "review": _REVIEW, "succeeded": _BANK}
_ENDED = {
    "failed": "The payment failed",
    "expired": "Nobody paid in time",
    "cancelled": "The payment was given up",
}


def chosen(order: dict[str, Any], payments: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The payment that the page is about: the one that paid, else the newest."""
    if order["status"] in PAID:
        for payment in payments:
            if payment["status"] == "succeeded":
                return payment
    return payments[0] if payments else None


def stage_of(order: dict[str, Any], payment: dict[str, Any] | None) -> Stage:
    if order["status"] in PAID:
        return _PAID
    if order["status"] == "cancelled":
        return _CANCELLED
    if payment is None:
        return Stage("again", "Not paid yet", "You can pay this order now.", "calm")
    status = payment["status"]
    if status == "pending":
        return _SLOW if payment["certainty"] == "unconfirmed" else _OPENING
    if status == "requires_action":
        return _to_pay(payment)
    if status in _WAITING:
        return _WAITING[status]
    if status == "refunded":
        return _BACK
    return _ended(order, payment)


def _to_pay(payment: dict[str, Any]) -> Stage:
    if not payment["failure"]:
        return _PAY
    return Stage("pay", "That was declined", f"{_why(payment)} Try another way to pay.", "bad")


def _ended(order: dict[str, Any], payment: dict[str, Any]) -> Stage:
    heading = _ENDED.get(payment["status"], words(payment["status"], PAYMENT_WORDS))
    if order["status"] not in PAYABLE:
        return Stage("waiting", heading, "The order is being brought up to date.", "bad")
    return Stage("again", heading, f"{_why(payment)} Nothing was taken.", "bad")


def _why(payment: dict[str, Any]) -> str:
    failure = payment["failure"] or {}
    return str(failure.get("message") or "")
