"""The troubles a test can order: lost, doubled and late webhooks, errors, timeouts, slowness.

Chances are drawn from one seeded generator. This module only decides; others act on it.
"""

import math
import random
import threading
import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from gateway.dev.sandbox.store import Store


@dataclass(frozen=True)
class Settings:
    seed: int = 0
    drop_webhooks: float = 0.0
    duplicate_webhooks: float = 0.0
    reorder_webhooks: float = 0.0
    delay_webhooks_s: float = 0.0
    error_before: float = 0.0
    error_after: float = 0.0
    timeout_after: float = 0.0
    rate_limit_per_s: float = 0.0
    latency_ms: float = 0.0
    page_coop: str = ""  # the hosted page's Cross-Origin-Opener-Policy


_NAMES = frozenset(field.name for field in fields(Settings))
_WHOLE = frozenset({"seed"})
_CHOICES = {"page_coop": ("", "same-origin", "same-origin-allow-popups")}
_RATES = _NAMES - _WHOLE - {"delay_webhooks_s", "rate_limit_per_s", "latency_ms", *_CHOICES}


class Faults:
    """Kept in the store, so that a restarted sandbox is as troubled as before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        with store.transaction() as tx:
            self.settings = Settings(**(tx.setting("faults") or {}))
        self._random = random.Random(self.settings.seed)
        self._turns = math.inf  # how many requests the limit lets through now, at most a second's
        self._counted_at = time.monotonic()

    def change(self, wanted: dict[str, Any]) -> None:
        """Replace the given settings; ValueError names what is wrong with them."""
        for name, value in wanted.items():
            _check(name, value)
        self._become(replace(self.settings, **wanted), reseed="seed" in wanted)

    def reset(self) -> None:
        self._become(Settings(), reseed=True)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self.settings)

    def strikes(self, name: str) -> bool:
        """Whether the named trouble happens this time."""
        rate: float = getattr(self.settings, name)
        if rate <= 0:
            return False
        with self._lock:
            return self._random.random() < rate

    def shuffle_wait(self) -> float:
        """Seconds by which a reordered delivery is held back."""
        with self._lock:
            return self._random.uniform(0, 2)

    def over_the_limit(self) -> bool:
        """A token bucket: below one a second, one request passes, and the next much later."""
        limit = self.settings.rate_limit_per_s
        if not limit:
            return False
        with self._lock:
            now = time.monotonic()
            gained = (now - self._counted_at) * limit
            self._turns, self._counted_at = min(max(1, limit), self._turns + gained), now
            if self._turns < 1:
                return True
            self._turns -= 1
            return False

    def _become(self, settings: Settings, *, reseed: bool) -> None:
        with self._lock:
            self.settings, self._turns = settings, math.inf
            if reseed:
                self._random = random.Random(settings.seed)
        with self._store.transaction() as tx:
            tx.set_setting("faults", asdict(settings))


def _check(name: str, value: Any) -> None:
    if name not in _NAMES:
        raise ValueError(f"Unknown fault: {name}. Known: {', '.join(sorted(_NAMES))}.")
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, _CHOICES[name]))}.")
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (name in _WHOLE and not isinstance(value, int)):
        kind = "a whole number" if name in _WHOLE else "a number"
        raise ValueError(f"{name} must be {kind}.")
    if name in _RATES and not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1.")
    if name != "seed" and not 0 <= value < 1e9:
        raise ValueError(f"{name} must not be negative.")
