"""How often a key may call, and how often an address may be refused, in a second.

Counted in this process's memory, so that accepting a payment needs PostgreSQL alone; with several
web processes each grants its share. A valid key is never held up by others at its address.
"""

from functools import cache

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from gateway.kernel.errors import RateLimited
from gateway.settings import settings


def count_call(key_id: str) -> None:
    """One more call of a key that has proved itself. Raises `RateLimited`."""
    _count("key", key_id, settings().rate_per_key, "This key")


def count_refusal(address: str | None) -> None:
    """One more caller without a valid key, secret or signature. Raises `RateLimited`.

    Not counted before they are refused: behind a proxy many callers may share an address.
    """
    _count("address", address or "unknown", settings().rate_refused, "Refused callers from here")


def _count(kind: str, who: str, per_second: int, words: str) -> None:
    if not _windows().hit(RateLimitItemPerSecond(per_second), kind, who):
        raise RateLimited(
            f"{words} may call {per_second} times a second; this was one more.", retry_after=1
        )


@cache
def _windows() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())
