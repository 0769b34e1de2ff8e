"""Two servers of the same size under the same load, in turns: ours, and the least that could do it.

In turns, so that a noisy neighbour is everybody's; the medians of the rounds are compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from gateway.dev.bench.ground import Ground
from gateway.dev.bench.load import Load, Post, closed

CONNECTIONS, SECONDS, ROUNDS = 32, 2.0, 7

Say = Callable[[str], None]


@dataclass
class Contender:
    """One of the two, by the name of its process, and what it has shown."""

    name: str
    post: Post
    status: int
    loads: list[Load] = field(default_factory=list)
    web_cpu: float = 0.0
    database_cpu: float = 0.0

    def warm_up(self) -> None:
        closed(self.post, connections=CONNECTIONS, seconds=1.5).only(self.status)

    def run(self, on: Ground) -> Load:
        before = (on.cpu_seconds(self.name), on.cpu_seconds("postgres"))
        load = closed(self.post, connections=CONNECTIONS, seconds=SECONDS).only(self.status)
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


def duel(on: Ground, ours: Contender, bare: Contender, say: Say) -> dict[str, Any]:
    """What `measure` of a bench returns; the ratio is ours over the bare one's."""
    for each in (ours, bare):
        each.warm_up()
    for number in range(ROUNDS):
        rates = [each.run(on).per_second for each in (bare, ours)]
        say(f"round {number + 1}: bare {rates[0]:.0f}/s, ours {rates[1]:.0f}/s")
    return {
        "ratio": round(ours.rate / bare.rate, 3),
        "requests_per_second": round(ours.rate),
        "bare_requests_per_second": round(bare.rate),
        "saturated_ms": figures(ours.loads),
        "bare_saturated_ms": figures(bare.loads),
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
