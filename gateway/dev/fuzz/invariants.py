"""What must hold in the database whatever was sent; each is a query for what breaks it."""

from typing import Any

from gateway.reconciliation.invariants import INVARIANTS, counting

BROKEN = INVARIANTS | {
    "nothing was captured, since Stripe was never asked": """
        SELECT id FROM payments WHERE amount_captured <> 0 OR amount_refunded <> 0
            OR status NOT IN ('pending', 'cancelled')""",
}


def broken(cursor: Any) -> list[str]:
    found = []
    for rule, query in BROKEN.items():
        cursor.execute(counting(query))
        count, examples = cursor.fetchone()
        if count:
            found.append(f"the database: not so that {rule}: {count}, such as {examples[0]}")
    return found
