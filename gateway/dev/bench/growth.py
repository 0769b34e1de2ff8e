"""Does history cost? Claiming the next 100 due deliveries among 10,000 delivered ones and among a
million.
"""

import time
from statistics import median
from typing import Any

from gateway.dev.bench.ground import Ground

BATCH, ROUNDS, SMALL, LARGE, ENDPOINTS = 100, 15, 10_000, 1_000_000, 1000
EVENTS = """
INSERT INTO events (id, type, subject_id, merchant_id, livemode, to_status, actor, data, created_at,
    position, sequence)
SELECT 'evt_' || n, 'payment.created', 'pay_' || n, 'mer_0', false, 'pending', 'bench',
    jsonb_build_object('id', 'pay_' || n, 'filling', repeat('x', 700)), now(), n, n
FROM generate_series(1, %(events)s) n
"""
ROWS = """
INSERT INTO callback_endpoints (id, status, merchant_id, livemode, url, events, sealed_secret,
    created_at, updated_at, lease, attempts)
SELECT 'we_' || n, 'enabled', 'mer_0', false, 'http://127.0.0.1:9/', '[]', %(sealed)s, now(), now(),
    0, 0
FROM generate_series(1, %(endpoints)s) n
"""
# Every pair of an event and an endpoint has one.
DELIVERIES = """
INSERT INTO callback_deliveries (id, status, merchant_id, livemode, event_id, event_type,
    endpoint_id, attempted, created_at, updated_at, due_at, lease, attempts)
SELECT 'wd_' || lpad(n::text, 9, '0'), 'pending', 'mer_0', false, 'evt_' || 1 + n / %(endpoints)s,
    'payment.created', 'we_' || 1 + n %% %(endpoints)s, 0, now(), now(), %(due)s, 0, 0
FROM generate_series(%(first)s, %(last)s) n
"""
END = "UPDATE callback_deliveries SET status = 'delivered', due_at = NULL WHERE status = 'pending'"


def growth(on: Ground, _: int) -> dict[str, Any]:
    with on.sql() as cursor:
        _prepare(cursor)
        made = _fill(cursor, 0, SMALL)
        made, small = _claims(cursor, made)
        made = _fill(cursor, made, LARGE)
        _, large = _claims(cursor, made)
    return {
        "growth_ratio": round(large / small, 3),
        "growth_claim_ms": {"10,000 rows": round(small, 1), "1,000,000 rows": round(large, 1)},
    }


def _prepare(cursor: Any) -> None:
    from gateway.callbacks.models import secret_row
    from gateway.kernel.seal import seal

    cursor.execute(EVENTS, {"events": 2 + (LARGE + 2 * ROUNDS * BATCH) // ENDPOINTS})
    cursor.execute(ROWS, {"endpoints": ENDPOINTS, "sealed": "-"})
    for n in range(1, ENDPOINTS + 1):
        sealed = seal("whsec_" + "A" * 32, bound_to=secret_row(f"we_{n}"))
        cursor.execute(
            "UPDATE callback_endpoints SET sealed_secret = %s WHERE id = %s", (sealed, f"we_{n}")
        )


def _fill(cursor: Any, made: int, upto: int) -> int:
    """Delivered rows, `upto` in all."""
    cursor.execute("SET session_replication_role = replica")  # history needs no guards again
    for first in range(made, upto, 100_000):
        last = min(upto, first + 100_000) - 1
        span = {"first": first, "last": last, "due": None, "endpoints": ENDPOINTS}
        cursor.execute(DELIVERIES, span)
        cursor.execute(END)
    cursor.execute("SET session_replication_role = origin")
    cursor.execute("VACUUM ANALYZE callback_deliveries")
    return upto


def _claims(cursor: Any, made: int) -> tuple[int, float]:
    """The median of milliseconds that a claim of the next 100 takes."""
    from gateway.callbacks import batches
    from gateway.kernel.db import transaction

    span = {"first": made, "last": made + ROUNDS * BATCH - 1, "endpoints": ENDPOINTS}
    cursor.execute("SELECT gateway_now()")
    cursor.execute(DELIVERIES, span | {"due": cursor.fetchone()[0]})
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        with transaction(actor="bench") as tx:
            taken = batches.take(tx, BATCH)
        took.append((time.perf_counter() - began) * 1000)
        if len(taken) != BATCH:
            raise RuntimeError(f"{len(taken)} claimed")
    cursor.execute(END)
    return made + ROUNDS * BATCH, median(took)
