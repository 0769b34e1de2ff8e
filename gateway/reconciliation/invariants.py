"""What holds in the database at every moment, each as a query for rows that nobody should find.

Read by `gateway doctor`, once a day by the clock, and after tests. Changes nothing.
"""

from dataclasses import asdict, dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway.kernel.runs import Run, RunStatus

JOB = "check"
EXAMPLES = 5
LONG_STATEMENT = "SET LOCAL statement_timeout = 60000"

# Each query gives an id, or what else tells one row from others.
INVARIANTS: dict[str, str] = {
    "a status is that of the last event": """
        SELECT r.id FROM (
            SELECT id, status FROM payments UNION ALL SELECT id, status FROM orders
            UNION ALL SELECT id, status FROM captures UNION ALL SELECT id, status FROM refunds
            UNION ALL SELECT id, status FROM disputes
            UNION ALL SELECT id, status FROM callback_endpoints) AS r
        WHERE r.status IS DISTINCT FROM
            (SELECT to_status FROM events WHERE subject_id = r.id ORDER BY seq DESC LIMIT 1)""",
    "an event goes on where the one before ended": """
        SELECT id FROM (SELECT id, from_status, lag(to_status)
            OVER (PARTITION BY subject_id ORDER BY seq) AS before FROM events) e
        WHERE from_status IS DISTINCT FROM before""",
    "an event's change is in the table of changes": """
        SELECT e.id FROM events e WHERE e.from_status IS DISTINCT FROM e.to_status
        AND NOT EXISTS (SELECT FROM transitions t WHERE t.to_status = e.to_status
            AND t.from_status IS NOT DISTINCT FROM e.from_status)""",
    "a merchant's events are numbered without a gap": """
        SELECT merchant_id FROM events WHERE sequence IS NOT NULL
        GROUP BY merchant_id, livemode
        HAVING max(sequence) - min(sequence) + 1 <> count(*)""",
    "a numbered event has its deliveries": """
        SELECT e.id FROM events e JOIN callback_endpoints c
            ON c.merchant_id = e.merchant_id AND c.livemode = e.livemode AND c.status <> 'deleted'
            AND (c.events ? '*' OR c.events ? e.type) AND c.created_at <= e.created_at
        WHERE e.position IS NOT NULL AND e.created_at > gateway_now() - interval '20 hours'
            AND NOT EXISTS (SELECT FROM callback_deliveries d
                WHERE d.event_id = e.id AND d.endpoint_id = c.id)
            AND NOT EXISTS (SELECT FROM events u WHERE u.subject_id = c.id
                AND u.type = 'endpoint.updated' AND u.created_at >= e.created_at)""",
    "a payment has its order's amount, currency and merchant": """
        SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE (p.amount, p.currency, p.merchant_id, p.livemode)
            IS DISTINCT FROM (o.amount, o.currency, o.merchant_id, o.livemode)""",
    "0 <= refunded <= captured <= asked for": """
        SELECT id FROM payments WHERE NOT (0 <= amount_refunded
            AND amount_refunded <= amount_captured
            AND (amount_captured <= amount OR accepted IS NOT NULL OR reported IS NOT NULL))""",
    "only who has paid has paid something": """
        SELECT id FROM payments WHERE amount_captured <> 0
            AND status NOT IN ('succeeded', 'refunded', 'review')""",
    "what was refunded is the sum of the refunds": """
        SELECT p.id FROM payments p WHERE amount_refunded IS DISTINCT FROM (SELECT
            coalesce(sum(amount), 0) FROM refunds r WHERE r.payment_id = p.id
            AND r.status = 'succeeded')""",
    "refunds never come to more than was captured": """
        SELECT p.id FROM payments p WHERE amount_captured < (SELECT coalesce(sum(amount), 0)
            FROM refunds r WHERE r.payment_id = p.id AND r.status IN ('succeeded', 'pending'))""",
    "one capture of a payment succeeds": """
        SELECT payment_id FROM captures WHERE status = 'succeeded'
        GROUP BY payment_id HAVING count(*) > 1""",
    "an order has one live payment": """
        SELECT order_id FROM payments WHERE cancel_requested_at IS NULL AND status IN
            ('pending', 'requires_action', 'processing', 'authorized')
        GROUP BY order_id HAVING count(*) > 1""",
    "money that no order is given for is on its way back, or somebody is told": """
        SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE p.status = 'succeeded' AND (o.paid_by IS DISTINCT FROM p.id OR o.status = 'cancelled')
            AND NOT EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.automatic)
            AND p.amount_captured > (SELECT coalesce(sum(amount), 0) FROM refunds r
                WHERE r.payment_id = p.id AND r.status IN ('pending', 'succeeded'))""",
    "a paid order has the payment that paid it": """
        SELECT o.id FROM orders o LEFT JOIN payments p ON p.id = o.paid_by
        WHERE o.status IN ('payment_done', 'packaging')
            AND p.status IS DISTINCT FROM 'succeeded' AND p.status IS DISTINCT FROM 'refunded'
            AND p.status IS DISTINCT FROM 'review'""",
    "an order in progress has a payment that is not at an end": """
        SELECT o.id FROM orders o WHERE o.status = 'payment_in_progress' AND NOT EXISTS (
            SELECT FROM payments p WHERE p.order_id = o.id
                AND (p.status IN
            ('pending', 'requires_action', 'processing', 'authorized') OR p.status = 'review'))""",
    "an unpaid order is due to expire, and no other": """
        SELECT id FROM orders WHERE (status IN ('created', 'payment_failed'))
            IS DISTINCT FROM (due_at IS NOT NULL)""",
    "somebody looks at every payment that can still move by itself": """
        SELECT id FROM payments p WHERE due_at IS NULL
            AND status IN ('pending', 'requires_action', 'processing') AND NOT EXISTS (
                SELECT FROM payments o WHERE o.order_id = p.order_id AND o.attempt < p.attempt
                AND o.status IN
            ('pending', 'requires_action', 'processing', 'authorized'))""",
    "a reference names one order": """
        SELECT min(id) FROM orders WHERE reference IS NOT NULL
        GROUP BY merchant_id, livemode, reference HAVING count(*) > 1""",
    "stock is what its movements say": """
        SELECT i.sku FROM inventory i LEFT JOIN stock_movements m USING (merchant_id, livemode, sku)
        GROUP BY i.merchant_id, i.livemode, i.sku HAVING (i.on_hand - i.reserved, i.reserved)
            IS DISTINCT FROM (
                coalesce(sum(m.quantity) FILTER (WHERE to_place = 'available'), 0)
                    - coalesce(sum(m.quantity) FILTER (WHERE from_place = 'available'), 0),
                coalesce(sum(m.quantity) FILTER (WHERE to_place = 'reserved'), 0)
                    - coalesce(sum(m.quantity) FILTER (WHERE from_place = 'reserved'), 0))""",
    "an order holds what its status says": """
        SELECT o.id FROM orders o JOIN (
            SELECT order_id,
                sum(CASE WHEN to_place = 'reserved' THEN quantity
                    WHEN from_place = 'reserved' THEN -quantity ELSE 0 END) AS reserved,
                sum(CASE WHEN to_place = 'sold' THEN quantity
                    WHEN from_place = 'sold' THEN -quantity ELSE 0 END) AS sold
            FROM stock_movements WHERE order_id IS NOT NULL GROUP BY order_id
        ) held ON held.order_id = o.id
        WHERE (held.reserved > 0) IS DISTINCT FROM (o.status IN ('created', 'payment_in_progress'))
            OR (held.sold > 0) IS DISTINCT FROM (o.status IN ('payment_done', 'packaging'))""",
    "only what was done is kept for an idempotency key": """
        SELECT key FROM idempotency_keys WHERE status NOT BETWEEN 200 AND 299""",
}


@dataclass(frozen=True)
class Broken:
    """A rule that does not hold: by how many rows, and some of them."""

    rule: str
    count: int
    examples: list[str]


def broken(tx: Session) -> list[Broken]:
    """Every rule that does not hold. Reads every table whole."""
    tx.execute(text(LONG_STATEMENT))
    return [found for rule, query in INVARIANTS.items() if (found := _look(tx, rule, query))]


def _look(tx: Session, rule: str, query: str) -> Broken | None:
    count, examples = tx.execute(text(counting(query))).one()
    return Broken(rule, count, examples) if count else None


def counting(query: str) -> str:
    """How many rows `query` gives, and the first few as text."""
    some = f"(array_agg(x.v ORDER BY x.v))[1:{EXAMPLES}]"
    rows = f"SELECT CAST(v AS text) AS v FROM ({query}) q(v)"  # noqa: S608 - all of it is ours
    return f"SELECT count(*), {some} FROM ({rows}) x"  # noqa: S608


def check(tx: Session, run: Run) -> bool:
    """The daily look. Somebody is told as long as nobody has seen to it."""
    found = broken(tx)
    run.params = {"broken": [asdict(each) for each in found]}
    if not found:
        run.finish(tx, RunStatus.SUCCEEDED, total=len(INVARIANTS), done=len(INVARIANTS))
        return True
    words = "; ".join(f"{each.rule} ({each.count}, such as {each.examples[0]})" for each in found)
    why = f"Not so: {words}. See docs/reliability.md, and `gateway doctor`."
    run.needs_attention = why
    run.finish(tx, RunStatus.FAILED, total=len(INVARIANTS), error=why)
    return True
