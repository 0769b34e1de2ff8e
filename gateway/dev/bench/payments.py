"""POST /payments against the bare accept: requests a second, and latency at a steady 200 a second.

Both serve from two processes of eight threads and commit to the same PostgreSQL. They are measured
in turns, so that a noisy neighbour is everybody's. The ratio is ours over the bare one's.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Any

from gateway.dev.bench.bare import TABLES
from gateway.dev.bench.ground import Ground, ground
from gateway.dev.bench.load import Load, Post, closed, paced
from gateway.dev.embedded import APP
from gateway.dev.seed import KEY, SECRET, seed

CONNECTIONS, SECONDS, ROUNDS = 32, 2.0, 7
STEADY_PER_SECOND, STEADY_SECONDS = 200.0, 10.0
HEADERS = ("Content-Type: application/json", f"X-Api-Key: {KEY}", f"X-Api-Secret: {SECRET}")


@dataclass
class Contender:
    """One of the two, and what it has shown."""

    name: str
    post: Post
    loads: list[Load] = field(default_factory=list)
    web_cpu: float = 0.0
    database_cpu: float = 0.0

    def run(self, on: Ground) -> Load:
        before = (on.cpu_seconds(self.name), on.cpu_seconds("postgres"))
        load = closed(self.post, connections=CONNECTIONS, seconds=SECONDS).only(201)
        self.web_cpu += on.cpu_seconds(self.name) - before[0]
        self.database_cpu += on.cpu_seconds("postgres") - before[1]
        self.loads.append(load)
        return load

    @property
    def rate(self) -> float:
        return median(load.per_second for load in self.loads)

    def cpu(self) -> dict[str, float]:
        """Milliseconds of processor for one request, and where they go."""
        requests = sum(len(load.latencies) for load in self.loads)
        web, database = self.web_cpu / requests, self.database_cpu / requests
        return {"web": round(web * 1000, 2), "postgresql": round(database * 1000, 2)}


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    with ground() as on:
        seed()
        with on.sql() as cursor:
            cursor.execute(TABLES)
            cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {APP}")
        address = on.web("ours", "gateway.app:create_app")
        ours = Contender("ours", Post(f"{address}/api/v1/payments", HEADERS, _body("a")))
        address = on.web("bare", "gateway.dev.bench.bare:create_app")
        bare = Contender("bare", Post(f"{address}/payments", HEADERS, _body("b")))
        return _compare(on, ours, bare, say)


def _body(prefix: str) -> Callable[[], bytes]:
    number = count()

    def make() -> bytes:
        order = f"{prefix}-{next(number)}"
        return json.dumps({"order_id": order, "amount": 1999, "currency": "EUR"}).encode()

    return make


def _compare(
    on: Ground, ours: Contender, bare: Contender, say: Callable[[str], None]
) -> dict[str, Any]:
    for each in (ours, bare):
        closed(each.post, connections=CONNECTIONS, seconds=1.5).only(201)
    for number in range(ROUNDS):
        rates = [each.run(on).per_second for each in (bare, ours)]
        say(f"round {number + 1}: bare {rates[0]:.0f}/s, ours {rates[1]:.0f}/s")
    steady = paced(ours.post, per_second=STEADY_PER_SECOND, seconds=STEADY_SECONDS).only(201)
    return {
        "ratio": round(ours.rate / bare.rate, 3),
        "requests_per_second": round(ours.rate),
        "bare_requests_per_second": round(bare.rate),
        "saturated_ms": figures(ours.loads),
        "bare_saturated_ms": figures(bare.loads),
        "steady_200_ms": figures([steady]),
        "cpu_ms_per_request": ours.cpu(),
        "bare_cpu_ms_per_request": bare.cpu(),
    }


def figures(loads: list[Load]) -> dict[str, float]:
    """Percentiles; of several loads, the median of theirs."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {
        name: round(median(load.percentile(share) for load in loads), 1)
        for name, share in shares.items()
    }
