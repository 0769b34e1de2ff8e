"""What must hold in the database whatever was sent; each is a query for what breaks it."""

from typing import Any

_LATEST = """
    SELECT row.id FROM {table} row
    WHERE row.status IS DISTINCT FROM (
        SELECT e.to_status FROM events e WHERE e.subject_id = row.id ORDER BY e.seq DESC LIMIT 1
    )
"""
_HISTORY = """
    SELECT id FROM (
        SELECT id, from_status, lag(to_status) OVER (PARTITION BY subject_id ORDER BY seq) AS before
        FROM events
    ) e WHERE from_status IS DISTINCT FROM before
"""
BROKEN = {
    "an order's status is that of its last event": _LATEST.format(table="orders"),
    "a payment's status is that of its last event": _LATEST.format(table="payments"),
    "an endpoint's status is that of its last event": _LATEST.format(table="callback_endpoints"),
    "an event goes on where the one before ended": _HISTORY,
    "a payment is of its order's amount, currency and merchant": """
        SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE (p.amount, p.currency, p.merchant_id, p.livemode)
            IS DISTINCT FROM (o.amount, o.currency, o.merchant_id, o.livemode)
    """,
    "an order has one live payment": """
        SELECT order_id FROM payments
        WHERE status IN ('pending', 'requires_action', 'processing', 'authorized')
            AND cancel_requested_at IS NULL
        GROUP BY order_id HAVING count(*) > 1
    """,
    "a reference names one order": """
        SELECT reference FROM orders WHERE reference IS NOT NULL
        GROUP BY merchant_id, livemode, reference HAVING count(*) > 1
    """,
    "nothing was captured, since Stripe was never asked": """
        SELECT id FROM payments WHERE amount_captured <> 0 OR amount_refunded <> 0
            OR status NOT IN ('pending', 'cancelled')
    """,
    "stock is what its movements say": """
        SELECT i.sku FROM inventory i LEFT JOIN stock_movements m USING (merchant_id, livemode, sku)
        GROUP BY i.merchant_id, i.livemode, i.sku HAVING (i.on_hand - i.reserved, i.reserved)
            IS DISTINCT FROM (
                coalesce(sum(m.quantity) FILTER (WHERE to_place = 'available'), 0)
                    - coalesce(sum(m.quantity) FILTER (WHERE from_place = 'available'), 0),
                coalesce(sum(m.quantity) FILTER (WHERE to_place = 'reserved'), 0)
                    - coalesce(sum(m.quantity) FILTER (WHERE from_place = 'reserved'), 0))
    """,
    "only what was done is kept for an idempotency key": """
        SELECT key FROM idempotency_keys WHERE status NOT BETWEEN 200 AND 299
    """,
    "a Stripe event is stored once": """
        SELECT stripe_event_id FROM stripe_events GROUP BY stripe_event_id HAVING count(*) > 1
    """,
}


def broken(cursor: Any) -> list[str]:
    found = []
    for rule, query in BROKEN.items():
        cursor.execute(f"SELECT count(*), min(x::text) FROM ({query}) AS broken(x)")
        count, example = cursor.fetchone()
        if count:
            found.append(f"the database: not so that {rule}: {count}, such as {example}")
    return found
