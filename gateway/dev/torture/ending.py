"""What a play has led to, without ids and times, so that two plays can be compared.

Reads the gateway's rows and Stripe's objects, changes nothing. `lines` are the few that a scenario
declares; `parts` is everything in which two orders of the same news must not differ.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from gateway.dev.torture.stage import Stage
from gateway.dev.torture.stripe_side import Stripe
from gateway.kernel import db

LINES = """
    SELECT 'order ' || status || coalesce(' (' || reason || ')', '') FROM orders
    UNION ALL SELECT format('payment %s %s, %s taken, %s back', attempt, status, amount_captured,
        amount_refunded) FROM payments
    UNION ALL SELECT format('capture of %s %s', amount, status) FROM captures
    UNION ALL SELECT format('refund of %s %s', amount, status)
        || CASE WHEN automatic THEN ', by itself' ELSE '' END FROM refunds
    UNION ALL SELECT 'dispute ' || status FROM disputes
    UNION ALL SELECT format('%s left, %s reserved', on_hand - reserved, reserved) FROM inventory"""
TOLD = "SELECT type FROM events"
PARTS = {
    "orders": """
        SELECT status, reason, cancel_requested_at IS NULL, due_at IS NULL, needs_attention,
            (SELECT attempt FROM payments WHERE id = paid_by) FROM orders""",
    "payments": """
        SELECT attempt, status, amount_captured, amount_refunded, failure_code,
            cancel_requested_at IS NULL, checkout_url IS NULL, due_at IS NULL, resolution,
            needs_attention, stripe_intent_id IS NULL FROM payments""",
    "captures": "SELECT amount, status, failure_code, due_at IS NULL FROM captures",
    "refunds": """
        SELECT attempt, r.amount, r.status, r.reason, automatic, r.failure_code,
            r.stripe_refund_id IS NULL, r.due_at IS NULL, r.needs_attention
        FROM refunds r JOIN payments p ON p.id = r.payment_id""",
    "disputes": """
        SELECT attempt, d.amount, d.status, d.reason
        FROM disputes d JOIN payments p ON p.id = d.payment_id""",
    "stock": "SELECT on_hand, reserved FROM inventory",
    "stock movements": "SELECT from_place, to_place, quantity FROM stock_movements",
    "events": """
        SELECT e.type, from_status, to_status,
            coalesce(p.attempt, (SELECT attempt FROM payments WHERE id = e.data ->> 'payment_id'))
        FROM events e LEFT JOIN payments p ON p.id = e.subject_id""",
    "news that was never looked at": """
        SELECT type, status FROM stripe_events
        WHERE status IN ('received', 'unmatched', 'failed')""",
    "owed": """
        SELECT kind FROM (
            SELECT 'payment' AS kind, due_at, leased_until FROM payments
            UNION ALL SELECT 'capture', due_at, leased_until FROM captures
            UNION ALL SELECT 'refund', due_at, leased_until FROM refunds
            UNION ALL SELECT 'run', due_at, leased_until FROM runs) AS rows
        WHERE due_at <= gateway_now() OR leased_until > gateway_now()""",
}
SHOWN = {
    "checkout.session": ("status", "payment_status"),
    "payment_intent": ("status", "amount_received", "amount_capturable"),
    "charge": ("status", "amount_captured", "amount_refunded", "disputed"),
    "refund": ("status", "amount", "reason"),
    "dispute": ("status", "amount"),
}


@dataclass(frozen=True)
class Ending:
    lines: Counter[str]
    told: Counter[str]
    parts: dict[str, Counter[tuple[Any, ...]]]

    def differs(self, other: "Ending") -> list[str]:
        """What is here and not there, and the other way round, in words."""
        found = []
        for name, mine in self.parts.items():
            theirs = other.parts[name]
            for sign, rest in (("only here", mine - theirs), ("missing", theirs - mine)):
                found += [f"{name}, {sign}: {row}" for row in rest.elements()]
        return found


def ending(stage: Stage) -> Ending:
    with db.engine().connect() as connection:

        def rows(statement: str) -> Counter[tuple[Any, ...]]:
            return Counter(tuple(row) for row in connection.execute(text(statement)))

        lines = Counter(line for (line,) in rows(LINES).elements())
        told = Counter(type for (type,) in rows(TOLD).elements())
        parts = {name: rows(statement) for name, statement in PARTS.items()}
    parts |= {"faults": Counter((each,) for each in stage.ears.heard)}
    return Ending(lines, told, parts | _at_stripe(stage.stripe))


def _at_stripe(stripe: Stripe) -> dict[str, Counter[tuple[Any, ...]]]:
    return {
        f"Stripe's {kind}": Counter(
            tuple(each[name] for name in names) for each in stripe.all(kind)
        )
        for kind, names in SHOWN.items()
    }
