"""What every part has at hand: memory, clock, troubles, and one unit of work.

All waiting for the network or for a fault happens outside a unit of work.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.dev.sandbox.clock import Clock
from gateway.dev.sandbox.faults import Faults
from gateway.dev.sandbox.store import Store, Transaction


@dataclass(frozen=True)
class Origin:
    """The API request that caused an event; both empty when it happened by itself."""

    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass
class Work:
    """One transaction, the moment it happens at, and who asked for it."""

    tx: Transaction
    now: int
    base_url: str
    sends_webhooks: bool
    faults: Faults
    origin: Origin
    told: bool = False  # An event was recorded.


@dataclass(frozen=True)
class Sandbox:
    store: Store
    clock: Clock
    faults: Faults
    base_url: str
    webhook_url: str | None
    webhook_secret: str
    news: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def work(self, origin: Origin | None = None) -> Iterator[Work]:
        now = int(self.clock.now())  # May ask PostgreSQL, so before the transaction.
        with self.store.transaction() as tx:
            work = Work(
                tx=tx,
                now=now,
                base_url=self.base_url,
                sends_webhooks=self.webhook_url is not None,
                faults=self.faults,
                origin=origin or Origin(),
            )
            yield work
        if work.told:
            self.news.set()
