"""How often in a second a key may call, an address be refused, and shoppers knock.

Counted in this process's memory, so that accepting a payment needs PostgreSQL alone; with several
web processes each grants its share. A valid key is never held up by others at its address.

The generic cell rate algorithm: one time per caller, and no thread, no server and no window whose
edge lets twice as many through.
"""

import threading
from functools import cache
from time import monotonic_ns

from gateway.kernel.errors import RateLimited
from gateway.settings import settings

REMEMBERED = 10_000  # callers; those who have been quiet for a second are forgotten then
SECOND = 1_000_000_000  # nanoseconds, in whole numbers: a third of one, thrice, is no more


class Pace:
    """So many calls a second for each caller, as a steady flow or all at once."""

    def __init__(self) -> None:
        self._spent_until: dict[str, int] = {}
        self._lock = threading.Lock()

    def keeps(self, who: str, per_second: int) -> bool:
        """Whether one more call is within the pace; one that is not costs nothing."""
        now = monotonic_ns()
        with self._lock:
            spent_until = max(self._spent_until.get(who, now), now) + SECOND // per_second
            if spent_until > now + SECOND:
                return False
            if len(self._spent_until) >= REMEMBERED:
                self._spent_until = {w: t for w, t in self._spent_until.items() if t > now}
            self._spent_until[who] = spent_until
            return True


def count_call(key_id: str) -> None:
    """One more call of a key that has proved itself. Raises `RateLimited`."""
    _count(f"key:{key_id}", settings().rate_per_key, "This key")


def count_refusal(address: str | None) -> None:
    """One more caller without a valid key, secret or signature. Raises `RateLimited`.

    Not counted before they are refused: behind a proxy many callers may share an address.
    """
    _count(f"address:{address}", settings().rate_refused, "Refused callers from here")


def count_shopper(address: str | None) -> None:
    """One more call of a shopper's browser. Raises `RateLimited`."""
    _count(f"shopper:{address}", settings().rate_per_shopper, "Shoppers from here")


def count_opening(order_id: str) -> None:
    """One more who wants to pay an order. Raises `RateLimited`."""
    _count(f"order:{order_id}", settings().rate_per_order, "Shoppers of this order")


def _count(who: str, per_second: int, words: str) -> None:
    if not _pace().keeps(who, per_second):
        raise RateLimited(
            f"{words} may call {per_second} times a second; this was one more.", retry_after=1
        )


@cache
def _pace() -> Pace:
    return Pace()
