"""Do healthy endpoints, or payments, feel that others hang? The same load twice: 200 endpoints, of
which none and then every tenth takes the callback and never answers; beside it a few payments.
"""

import time
from statistics import quantiles
from typing import Any

from gateway.dev.bench.ground import Ground
from gateway.dev.bench.receiver import host
from gateway.dev.walk import wait_for

ENDPOINTS, HANGING_EACH = 200, 10
# Longer than the 15 s after which a hanging one is given up.
PER_SECOND, SECONDS, BEAT, LONGEST = 100, 25, 0.1, 60.0
PAYMENTS_EACH = 0.5  # seconds
BUYS = "mer_999"  # has no endpoint
MAKE = """
INSERT INTO events (id, type, subject_id, merchant_id, livemode, to_status, actor, data, created_at)
SELECT 'evt_' || %(name)s || n, 'payment.created', 'pay_' || n, 'mer_' || n %% %(endpoints)s, false,
    'pending', 'bench', jsonb_build_object('id', 'pay_' || n, 'filling', repeat('x', 700)), now()
FROM generate_series(%(first)s, %(last)s) n
"""
# Of the healthy ones: from due to written down.
TOOK = """
SELECT extract(epoch FROM a.recorded_at - d.created_at)
FROM callback_deliveries d
JOIN callback_attempts a ON a.delivery_id = d.id AND a.number = 1
JOIN callback_endpoints w ON w.id = d.endpoint_id AND w.url LIKE '%/hooks/%'
"""
LEFT = """
SELECT count(*) FROM callback_deliveries d
JOIN callback_endpoints w ON w.id = d.endpoint_id AND w.url LIKE '%/hooks/%'
WHERE d.status = 'pending'
"""
# Of payments: from due to a page that the shopper can open.
OPENED = """
SELECT extract(epoch FROM e.created_at - p.created_at) FROM payments p
JOIN events e ON e.subject_id = p.id AND e.type = 'payment.requires_action'
JOIN orders o ON o.id = p.order_id AND o.reference LIKE %s
"""
CLEAR = "DELETE FROM callback_attempts; DELETE FROM callback_deliveries"


def isolation(on: Ground, port: int) -> dict[str, Any]:
    ids = _endpoints(port)
    on.work(on.sandbox())
    _play(on, "warm", seconds=3)
    alone, payments_alone = _play(on, "none")
    with on.sql() as cursor:
        for number in range(0, ENDPOINTS, HANGING_EACH):
            cursor.execute(
                "UPDATE callback_endpoints SET url = replace(url, 'hooks', 'hangs') WHERE id = %s",
                (ids[number],),
            )
    beside, payments_beside = _play(on, "some")
    return {
        "isolation_ratio": round(beside / alone, 3),
        "isolation_p95_ms": _in_ms(alone, beside),
        "payments_ratio": round(payments_beside / payments_alone, 3),
        "payments_p95_ms": _in_ms(payments_alone, payments_beside),
    }


def _in_ms(alone: float, beside: float) -> dict[str, int]:
    return {"none hang": round(alone * 1000), "a tenth hangs": round(beside * 1000)}


def _endpoints(port: int) -> list[str]:
    from gateway.callbacks import service
    from gateway.kernel.db import transaction
    from gateway.kernel.http import Caller

    with transaction(actor="bench") as tx:
        return [
            service.create(
                tx,
                Caller(merchant_id=f"mer_{n}", livemode=False, key_id="bench"),
                {
                    "url": f"http://{host(n)}:{port}/hooks/{n}",
                    "events": ["payment.created"],
                    "description": None,
                },
            ).id
            for n in range(ENDPOINTS)
        ]


def _none_left(cursor: Any) -> bool:
    cursor.execute(LEFT)
    return bool(cursor.fetchone()[0] == 0)


def _play(on: Ground, name: str, *, seconds: float = SECONDS) -> tuple[float, float]:
    """Events at a steady rate, and payments; the 95th percentiles of the seconds they took."""
    with on.sql() as cursor:
        cursor.execute(CLEAR)
        began, made, bought = time.monotonic(), 0, 0
        while made < PER_SECOND * seconds:
            passed = time.monotonic() - began
            owed = int(passed * PER_SECOND) - made
            if owed > 0:
                span = {"first": made + 1, "last": made + owed}
                cursor.execute(MAKE, span | {"name": name, "endpoints": ENDPOINTS})
                made += owed
            if bought < passed / PAYMENTS_EACH:
                bought += 1
                _buy(f"{name}-{bought}")
            time.sleep(BEAT)
        wait_for("the healthy ones", lambda: _none_left(cursor), seconds=LONGEST)
        cursor.execute(TOOK)
        told = [float(row[0]) for row in cursor.fetchall()]
        cursor.execute(OPENED, (f"{name}-%",))
        opened = [float(row[0]) for row in cursor.fetchall()]
        return _p95(told), _p95(opened)


def _buy(reference: str) -> None:
    from gateway.kernel.db import transaction
    from gateway.kernel.http import Caller
    from gateway.payments.schemas import PaymentCreate
    from gateway.settlement.create import create

    body = PaymentCreate().load({"order_id": reference, "amount": 500, "currency": "EUR"})
    with transaction(actor="bench") as tx:
        create(tx, Caller(merchant_id=BUYS, livemode=False, key_id="bench"), body)


def _p95(seconds: list[float]) -> float:
    return quantiles(seconds, n=20)[-1]
