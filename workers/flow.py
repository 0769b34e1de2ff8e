"""How much one endpoint takes from this worker: so many at once, so many a second.

It starts with little, takes twice as much after each success and next to nothing after a failure:
so an endpoint that hangs holds few places from the start, and soon one. Knows no database.
"""

import time
from collections import deque
from dataclasses import dataclass, field

from gateway.callbacks.batches import Taken
from gateway.settings import settings

FIRST_AT_ONCE = 2
# What waits here for a place is claimed; the rest waits in the lane, where it costs nothing.
MOST_WAITING = 20
SLOW_SECONDS = 1.0
# Places times the seconds that each is held: who answers in 1 s gets ten, who needs 5 s two.
PLACE_SECONDS = 10.0
# Well before the lease of a claim ends: another worker must not send it as well.
LONGEST_WAIT_SECONDS = 20.0


@dataclass
class Flow:
    waiting: deque[tuple[Taken, float]] = field(default_factory=deque)  # since when
    flying: int = 0
    slow: int = 0  # of those flying
    failed: int = 0  # landed, and not written down yet: that may say that no more is to be sent
    at_once: int = FIRST_AT_ONCE
    has_lane: bool = False  # more may wait in the database
    tokens: float = 1.0
    refilled_at: float = field(default_factory=time.monotonic)

    @property
    def in_hand(self) -> int:
        return len(self.waiting) + self.flying

    @property
    def room(self) -> int:
        """How many more may wait here: as many as the endpoint takes in two rounds; none while it
        keeps us waiting.
        """
        if self.slow:
            return 0
        return max(0, min(MOST_WAITING, 2 * self.at_once) - len(self.waiting))

    @property
    def wants(self) -> int:
        """How many to let out of its lane now: when less than a round waits here, what has room."""
        return self.room if self.has_lane and len(self.waiting) < self.at_once else 0

    def takes(self, delivery: Taken) -> bool:
        """Whether to keep a claimed delivery here; a half-open endpoint gets one, a slow none."""
        if delivery.open_until is not None:
            return self.in_hand == 0
        return self.room > 0

    def next(self) -> Taken | None:
        """The next to send now, if there is one and the endpoint takes it."""
        if not self.waiting or self.failed or self.flying >= self.at_once or not self._token():
            return None
        self.flying += 1
        return self.waiting.popleft()[0]

    def _token(self) -> bool:
        rate, at = settings().callback_rate, time.monotonic()
        self.tokens = min(float(rate), self.tokens + (at - self.refilled_at) * rate)
        self.refilled_at = at
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def landed(self, *, well: bool, seconds: float) -> None:
        """One is back. Who answers slowly has the fewer places, the slower it is."""
        self.flying -= 1
        self.failed += not well
        if not well:
            self.at_once = 1
            return
        fair = max(FIRST_AT_ONCE, int(PLACE_SECONDS / max(seconds, 0.001)))
        self.at_once = min(settings().callback_concurrency, fair, self.at_once * 2)

    def is_stuck(self) -> bool:
        """Whether what waits here waits too long, or for an endpoint that hangs."""
        if not self.waiting:
            return False
        return self.slow > 0 or time.monotonic() - self.waiting[0][1] > LONGEST_WAIT_SECONDS

    def clear(self) -> list[Taken]:
        """What has waited here; it is somebody else's now."""
        waited = [delivery for delivery, _ in self.waiting]
        self.waiting.clear()
        return waited
