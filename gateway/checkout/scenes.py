"""Which scene a shopper's page shows: decided from what the server knows, never from the address.

What the address says about when the shopper came only decides how long to say "one moment".
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.checkout.service import Checkout
from gateway.payments.models import PaymentStatus

S = PaymentStatus

PATIENCE = timedelta(seconds=15)  # until a page that checks says that it does not know
_ENDED = {
    S.PROCESSING: "bank",
    S.REVIEW: "review",
    S.AUTHORIZED: "held",
    S.FAILED: "failed",
    S.EXPIRED: "expired",
    S.CANCELLED: "cancelled",
    S.REFUNDED: "given_back",
}
_AGAIN = ("failed", "expired", "cancelled")
_WORKING = ("opening", "slow", "checking", "cancelling", "telling", "asking")


@dataclass(frozen=True)
class Scene:
    name: str
    tone: str = "busy"  # busy, good, bad or calm
    why: str = ""

    @property
    def works(self) -> bool:
        """Whether it will change by itself in a moment."""
        return self.name in _WORKING

    @property
    def may_go_on(self) -> bool:
        return self.name in ("unpaid", "declined")

    @property
    def may_try_again(self) -> bool:
        return self.name in _AGAIN

    @property
    def is_over(self) -> bool:
        """Whether the shopper is led back to the shop without being asked."""
        return self.name in ("paid", "paid_untold", "held", "bank", "review")


def scene_of(checkout: Checkout, *, at: datetime, came_at: datetime | None) -> Scene:
    """`came_at` is when the shopper came back from Stripe; None on the way there."""
    status = PaymentStatus(checkout.payment.status)
    if status == S.SUCCEEDED:
        return _paid(checkout)
    if checkout.outcome == "open":
        return _open(checkout, at=at, came_at=came_at)
    name = _ENDED[status]
    tone = {"held": "good", "failed": "bad", "expired": "bad"}.get(name, "calm")
    return Scene(name, tone, _why(checkout))


def _paid(checkout: Checkout) -> Scene:
    if checkout.is_going_back:
        return Scene("going_back", "calm")
    if not checkout.settled:
        return Scene("telling", "good")
    return Scene("paid" if checkout.acknowledged else "paid_untold", "good")


def _open(checkout: Checkout, *, at: datetime, came_at: datetime | None) -> Scene:
    payment = checkout.payment
    if payment.cancel_requested_at is not None:
        return Scene("cancelling", "calm")
    if came_at is None and checkout.payable_at:
        return Scene("opening")
    if payment.status == S.PENDING or came_at is None:
        return Scene("slow" if checkout.certainty == "unconfirmed" else "opening")
    if payment.checked_at is None or payment.checked_at < came_at:
        return Scene("checking") if at < came_at + PATIENCE else Scene("unknown", "calm")
    return Scene("declined", "bad", _why(checkout)) if checkout.failure else Scene("unpaid", "calm")


def _why(checkout: Checkout) -> str:
    return str((checkout.failure or {}).get("message") or "")
