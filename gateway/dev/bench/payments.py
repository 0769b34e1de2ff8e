"""POST /payments against the bare accept: requests a second, and latency at a steady 200 a second.

Both serve from two processes of eight threads and commit to the same PostgreSQL. They are measured
in turns, so that a noisy neighbour is everybody's. The ratio is ours over the bare one's.
"""

import json
from collections.abc import Callable
from statistics import median
from typing import Any

from gateway.dev.bench.bare import TABLES
from gateway.dev.bench.ground import Ground, ground
from gateway.dev.bench.load import Load, Post, closed, paced
from gateway.dev.embedded import APP
from gateway.dev.seed import KEY, SECRET, seed

CONNECTIONS, SECONDS, ROUNDS = 32, 4.0, 3
STEADY_PER_SECOND, STEADY_SECONDS = 200.0, 10.0
HEADERS = ("Content-Type: application/json", f"X-Api-Key: {KEY}", f"X-Api-Secret: {SECRET}")


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    with ground() as on:
        seed()
        with on.sql() as cursor:
            cursor.execute(TABLES)
            cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {APP}")
        ours = Post(on.web("gateway.app:create_app") + "/api/v1/payments", HEADERS, _body("a"))
        bare = Post(on.web("gateway.dev.bench.bare:create_app") + "/payments", HEADERS, _body("b"))
        return _compare(on, ours, bare, say)


def _body(prefix: str) -> Callable[[int], bytes]:
    run = iter(range(1_000_000_000))

    def make(_: int) -> bytes:
        order = f"{prefix}-{next(run)}"
        return json.dumps({"order_id": order, "amount": 1999, "currency": "EUR"}).encode()

    return make


def _compare(on: Ground, ours: Post, bare: Post, say: Callable[[str], None]) -> dict[str, Any]:
    for post in (ours, bare):
        closed(post, connections=CONNECTIONS, seconds=1.5).only(201)
    rounds: dict[str, list[Load]] = {"ours": [], "bare": []}
    for number in range(ROUNDS):
        for name, post in (("bare", bare), ("ours", ours)):
            load = closed(post, connections=CONNECTIONS, seconds=SECONDS).only(201)
            say(f"round {number + 1}: {name} {load.per_second:.0f}/s")
            rounds[name].append(load)
    steady = paced(ours, per_second=STEADY_PER_SECOND, seconds=STEADY_SECONDS).only(201)
    say(f"steady: {figures(steady)}")
    rates = {name: median(load.per_second for load in loads) for name, loads in rounds.items()}
    return {
        "ratio": round(rates["ours"] / rates["bare"], 3),
        "requests_per_second": round(rates["ours"]),
        "bare_requests_per_second": round(rates["bare"]),
        "saturated_ms": figures(rounds["ours"][-1]),
        "bare_saturated_ms": figures(rounds["bare"][-1]),
        "steady_200_ms": figures(steady),
    }


def figures(load: Load) -> dict[str, float]:
    return {f"p{int(share * 100)}": round(load.percentile(share), 1) for share in (0.5, 0.95, 0.99)}
