"""Does what the clock has made due, in the order in which it became due.

Runs before every look and on its own every second, so nobody sees a state that is over.
"""

from collections.abc import Callable

from gateway.dev.sandbox import disputes, processing, refunds, sessions
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.store import Object


def _intent(work: Work, intent: Object) -> None:
    if intent["status"] == "processing":
        processing.settle(work, intent)
    else:
        sessions.release(work, intent)


# Each of these must take its object's due time away, or move it on.
_BY_KIND: dict[str, Callable[[Work, Object], object]] = {
    "checkout.session": sessions.expire,
    "payment_intent": _intent,
    "refund": refunds.settle,
    "dispute": disputes.time_out,
}


def settle_due(work: Work) -> None:
    for obj in work.tx.due(work.now):
        _BY_KIND[obj["object"]](work, obj)
