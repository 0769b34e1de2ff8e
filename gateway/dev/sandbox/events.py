"""Records what happened, in the transaction in which it happened, and plans telling the webhook.

Sends nothing itself.
"""

import time

from gateway.dev.sandbox import objects
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.store import Object, Transaction

GIVE_UP_AFTER_S = 24 * 3600
_OWED = "state <> 'delivered' AND is_copy = 0"


def record(work: Work, type: str, obj: Object, *, previous: Object | None = None) -> None:
    """Note that `obj` is now as it is, and owe the webhook a delivery."""
    event = objects.event(
        type,
        obj,
        now=work.now,
        request_id=work.origin.request_id,
        idempotency_key=work.origin.idempotency_key,
        previous=previous,
    )
    work.tx.put(event)
    work.told = True
    if work.sends_webhooks:
        _plan(work, event["id"])


def _plan(work: Work, event_id: str) -> None:
    faults = work.faults
    state = "dropped" if faults.strikes("drop_webhooks") else "pending"
    copies = [0, 1] if faults.strikes("duplicate_webhooks") else [0]
    for is_copy in copies:
        wait = faults.settings.delay_webhooks_s
        if faults.strikes("reorder_webhooks"):
            wait += faults.shuffle_wait()
        _owe(work.tx, event_id, state=state, is_copy=is_copy, wait=wait)


def _owe(tx: Transaction, event_id: str, *, state: str, is_copy: int = 0, wait: float = 0) -> None:
    now = time.time()
    tx.execute(
        "INSERT INTO deliveries (event_id, state, is_copy, due_at, give_up_at)"
        " VALUES (?, ?, ?, ?, ?)",
        event_id,
        state,
        is_copy,
        now + wait,
        now + GIVE_UP_AFTER_S,
    )


def resend(work: Work, event_id: str) -> None:
    """Deliver now what was dropped, is still waiting or was given up; else deliver once more."""
    now = time.time()
    revived = work.tx.execute(
        "UPDATE deliveries SET state = 'pending', due_at = ?, give_up_at = ?"
        f" WHERE event_id = ? AND {_OWED}",
        now,
        now + GIVE_UP_AFTER_S,
        event_id,
    )
    if not revived.rowcount:
        _owe(work.tx, event_id, state="pending", is_copy=1)
    work.told = True


def shown(tx: Transaction, event: Object) -> Object:
    """The event with the number of endpoints that have not confirmed it."""
    sql = f"SELECT count(*) FROM deliveries WHERE event_id = ? AND {_OWED}"
    return event | {"pending_webhooks": tx.execute(sql, event["id"]).fetchone()[0]}


# For lists: SQL that holds for an event of which every delivery has succeeded.
ALL_DELIVERED = f"NOT EXISTS (SELECT 1 FROM deliveries WHERE event_id = objects.id AND {_OWED})"
