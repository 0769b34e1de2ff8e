"""What a run has led to, without ids and times, so that two runs can be compared."""

from collections import Counter
from typing import Any

from sqlalchemy import text

from gateway.kernel import db
from gateway.reconciliation.invariants import INVARIANTS

STATES = {
    "orders": """
        SELECT reference, status, amount, reason, paid_by IS NULL, due_at IS NULL
        FROM orders ORDER BY reference""",
    "payments": """
        SELECT order_reference, attempt, status, amount_captured, amount_refunded, failure_code,
            cancel_requested_at IS NULL, checkout_url IS NULL, stripe_session_id IS NULL,
            checked_at IS NULL, due_at IS NULL
        FROM payments ORDER BY order_reference, attempt""",
    "captures": "SELECT status, amount, failure_code, due_at IS NULL FROM captures ORDER BY id",
    "refunds": """
        SELECT status, amount, automatic, failure_code, stripe_refund_id IS NULL, due_at IS NULL
        FROM refunds ORDER BY id""",
    "disputes": "SELECT status, amount FROM disputes ORDER BY id",
    "discrepancies": "SELECT kind, status FROM discrepancies ORDER BY kind, id",
    "stock": "SELECT sku, on_hand, reserved FROM inventory ORDER BY sku",
    "movements": """
        SELECT sku, from_place, to_place, quantity FROM stock_movements ORDER BY id""",
    "story": """
        SELECT string_agg(concat_ws(' ', type, from_status, '>', to_status), ', ' ORDER BY seq)
        FROM events GROUP BY subject_id ORDER BY 1""",
    "sequence": "SELECT sequence FROM events ORDER BY sequence",
    "stripe events": """
        SELECT type, status, payment_id IS NULL FROM stripe_events ORDER BY 1, 2""",
    "deliveries": """
        SELECT event_type, status, due_at IS NULL FROM callback_deliveries ORDER BY 1, 2""",
    "runs": "SELECT job, status, total, done, due_at IS NULL, error FROM runs ORDER BY id",
    "keys": "SELECT key, status FROM idempotency_keys ORDER BY key",
}
ROWS = """(
    SELECT id, due_at, leased_until, needs_attention FROM payments
    UNION ALL SELECT id, due_at, leased_until, needs_attention FROM orders
    UNION ALL SELECT id, due_at, leased_until, needs_attention FROM captures
    UNION ALL SELECT id, due_at, leased_until, needs_attention FROM refunds
    UNION ALL SELECT id, due_at, leased_until, needs_attention FROM callback_deliveries
    UNION ALL SELECT id, due_at, leased_until, needs_attention FROM callback_endpoints
    UNION ALL SELECT id, due_at, leased_until, needs_attention FROM runs
) AS rows"""
OWED = f"""
    SELECT id, due_at, leased_until, needs_attention FROM {ROWS}
    WHERE due_at <= gateway_now() OR leased_until IS NOT NULL OR needs_attention IS NOT NULL"""
ATTEMPTS = """
    SELECT d.event_id, d.attempted, array_remove(array_agg(a.number ORDER BY a.number), NULL)
    FROM callback_deliveries d LEFT JOIN callback_attempts a ON a.delivery_id = d.id
    GROUP BY d.id"""

# What must hold at every moment, also in the one after a crash: rows nobody should find.
HOLDS = (
    "a status is that of the last event",
    "an order holds what its status says",
    "refunds never come to more than was captured",
    "somebody looks at every payment that can still move by itself",
    "a numbered event has its deliveries",
)
BROKEN = {rule: INVARIANTS[rule] for rule in HOLDS} | {
    "no news is closed before Stripe was asked": """
        SELECT e.type FROM stripe_events e JOIN payments p ON p.id = e.payment_id
        WHERE e.status = 'processed' AND e.type = 'checkout.session.completed'
            AND p.status NOT IN ('succeeded', 'refunded', 'authorized', 'cancelled', 'review')""",
    "an order has one open page": """
        SELECT order_id FROM payments WHERE checkout_url IS NOT NULL
        GROUP BY order_id HAVING count(*) > 1""",
}
DELIVERED = "SELECT event_id FROM callback_deliveries WHERE status = 'delivered'"


def rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with db.engine().connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement), values)]


def of(world: Any) -> dict[str, Any]:
    """Check by name -> what it found. `sequence` is gap-free or tells its numbers."""
    with db.engine().connect() as connection:
        found: dict[str, Any] = {
            check: [tuple(row) for row in connection.execute(text(statement))]
            for check, statement in STATES.items()
        }
        found["owed"] = [tuple(row) for row in connection.execute(text(OWED))]
        attempts = [tuple(row) for row in connection.execute(text(ATTEMPTS))]
        payments = [row[0] for row in connection.execute(text("SELECT id FROM payments"))]
    numbers = [number for (number,) in found["sequence"]]
    found["sequence"] = len(numbers) if numbers == list(range(1, len(numbers) + 1)) else numbers
    found["posts"] = _posts(world, attempts)
    found["stripe"] = _at_stripe(world, payments)
    found["answers"] = world.answers()
    found["promises"] = world.broken + promises(world)
    found["faults"] = list(world.faults)
    return found


def promises(world: Any) -> list[str]:
    """The promises that are broken now, in words."""
    with db.engine().connect() as connection:
        found = [
            f"{what}: {row}"
            for what, statement in BROKEN.items()
            for row in connection.execute(text(statement))
        ]
        delivered = {row[0] for row in connection.execute(text(DELIVERED))}
    posted = {headers["webhook-id"] for headers, _ in list(world.receiver.calls)}
    return found + [f"delivered but never posted: {id}" for id in delivered - posted]


def _posts(world: Any, attempts: list[tuple[Any, ...]]) -> list[str]:
    """Every attempt is written down, numbered, and was a post; each other post was lost."""
    wrong = [f"attempts {row}" for row in attempts if row[2] != list(range(1, row[1] + 1))]
    posted = Counter(headers["webhook-id"] for headers, _ in world.receiver.calls)
    unwritten = unwritten_posts(world)
    if unwritten not in world.lost_posts:
        wrong.append(f"{unwritten} posts were not written down")
    bodies = {(headers["webhook-id"], body) for headers, body in world.receiver.calls}
    if len(bodies) != len(posted):
        wrong.append("an event was told in two wordings")
    return wrong


def unwritten_posts(world: Any) -> int:
    """What the merchant's server has seen and no attempt tells of."""
    ((written,),) = rows("SELECT coalesce(sum(attempted), 0) FROM callback_deliveries")
    return len(world.receiver.calls) - int(written)


def leased_deliveries() -> int:
    held = "SELECT count(*) FROM callback_deliveries WHERE leased_until > gateway_now()"
    ((count,),) = rows(held)
    return int(count)


def _at_stripe(world: Any, payments: list[str]) -> list[tuple[int, ...]] | None:
    """Per payment: sessions opened, charges made; and if any was, money received and given back."""
    if world.stripe is None:
        return None
    sessions = world.stripe.lever("GET", "state")["sessions"]
    mine = [
        [each for each in sessions if each["client_reference_id"] == payment]
        for payment in payments
    ]
    return sorted((len(each), *_money(each)) for each in mine)


def _money(sessions: list[dict[str, Any]]) -> tuple[int, ...]:
    charges = sum(row["successful_charges"] for row in sessions)
    moved = [sum(row[name] for row in sessions) for name in ("amount_received", "amount_refunded")]
    return (charges, *moved) if any(moved) else (charges,)
