"""POST /payments against the bare accept: requests a second, and latency at a steady 200 a second.

Both serve from two processes of eight threads and commit to the same PostgreSQL. Afterwards ours
is measured again while relay, workers and the sandbox do what the accepted payments ask for.
"""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

from gateway.dev.bench.bare import TABLES
from gateway.dev.bench.duel import CONNECTIONS, Contender, Say, duel, figures
from gateway.dev.bench.ground import ground
from gateway.dev.bench.load import Load, Post, closed, paced
from gateway.dev.embedded import APP
from gateway.dev.seed import KEY, SECRET, seed

STEADY_PER_SECOND, STEADY_SECONDS, WORKING_SECONDS = 200.0, 10.0, 6.0
HEADERS = ("Content-Type: application/json", f"X-Api-Key: {KEY}", f"X-Api-Secret: {SECRET}")


def measure(say: Say) -> dict[str, Any]:
    with ground() as on:
        seed()
        with on.sql() as cursor:
            cursor.execute(TABLES)
            cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {APP}")
        address = on.web("ours", "gateway.app:create_app")
        ours = Contender("ours", Post(f"{address}/api/v1/payments", HEADERS, body("a")), 201)
        address = on.web("bare", "gateway.dev.bench.bare:create_app")
        bare = Contender("bare", Post(f"{address}/payments", HEADERS, body("b")), 201)
        ours.warm_up()
        steady = {"steady_200_ms": figures([_steady(ours)])}
        found = duel(on, ours, bare, say) | steady
        say("with relay, workers and sandbox at work ...")
        on.work(on.sandbox())
        found["working_steady_200_ms"] = figures([_steady(ours)])
        load = closed(ours.post, connections=CONNECTIONS, seconds=WORKING_SECONDS).only(201)
        return found | {"working_requests_per_second": round(load.per_second)}


def _steady(ours: Contender) -> Load:
    return paced(ours.post, per_second=STEADY_PER_SECOND, seconds=STEADY_SECONDS).only(201)


def body(prefix: str) -> Callable[[], bytes]:
    """Bodies of payments for orders never seen."""
    number = count()

    def make() -> bytes:
        order = f"{prefix}-{next(number)}"
        return json.dumps({"order_id": order, "amount": 1999, "currency": "EUR"}).encode()

    return make
