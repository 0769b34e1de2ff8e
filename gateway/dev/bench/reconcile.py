"""Comparing 10,000 open and 5,000 paid payments with a Stripe that allows 25 requests a second.

Real workers and relay; the payments are copies of two that went the whole way, here as at Stripe.
The ratio is how near a run comes to the pace it has to keep to. Then all open ones are due to be
polled at once.
"""

import copy
import time
from pathlib import Path
from typing import Any

import requests

from gateway.dev.bench.duel import Say
from gateway.dev.bench.ground import Ground, ground
from gateway.dev.sandbox.store import Object, Store, Transaction
from gateway.dev.seed import KEY, SECRET, seed
from gateway.dev.walk import CARD, wait_for

OPEN, PAID, PER_SECOND = 10_000, 5_000, 10
LIMIT = 25  # Stripe's own, for an endpoint
POLLING_SECONDS = 20.0
LONGEST = 600.0
# The first half of an id of ours, in its shape.
ID = "lpad(to_hex(%(kind)s * 1000000 + n), 26, '0')"
COPIES = f"""
SET session_replication_role = replica;
INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object(
    'id', 'ord_' || {ID}, 'reference', 'copy-' || %(kind)s || '-' || n,
    'paid_by', CASE WHEN o.paid_by IS NOT NULL THEN 'pay_' || {ID} END))).*
FROM orders o, generate_series(1, %(count)s) n WHERE o.id = %(order)s;
INSERT INTO payments SELECT (jsonb_populate_record(p, jsonb_build_object(
    'id', 'pay_' || {ID}, 'order_id', 'ord_' || {ID},
    'stripe_session_id', 'cs_test_' || %(kind)s || '_' || n,
    'stripe_intent_id', CASE WHEN p.stripe_intent_id IS NOT NULL
        THEN 'pi_' || %(kind)s || '_' || n END))).*
FROM payments p, generate_series(1, %(count)s) n WHERE p.id = %(payment)s;
SET session_replication_role = origin
"""
STATUS = "SELECT status, params, total FROM runs WHERE job = 'reconcile' ORDER BY id DESC LIMIT 1"
POLL = "UPDATE payments SET due_at = now(), polled = true WHERE status = 'requires_action'"
POLLED = "SELECT count(*) FROM payments WHERE checked_at > %s"


def measure(say: Say) -> dict[str, Any]:
    pace = {"GATEWAY_RECONCILE_PER_SECOND": str(PER_SECOND), "GATEWAY_POLL_SECONDS": "7200"}
    with ground(pace) as on:
        seed()
        address = on.web("web", "gateway.app:create_app")
        sandbox = on.sandbox()
        on.work(sandbox, queues=("stripe", "clock"))
        say(f"copying one open payment {OPEN} times, and a paid one {PAID} times ...")
        _copies(on, _payment(address, pay=False), kind=1, count=OPEN - 1)
        _copies(on, _payment(address, pay=True), kind=2, count=PAID - 1)
        requests.put(f"{sandbox}/_sandbox/faults", json={"rate_limit_per_s": LIMIT}, timeout=5)
        say("comparing them with Stripe ...")
        seconds, pages, compared = _reconcile(on)
        say(f"{compared} in {seconds:.0f} s; polling all open ones at once ...")
        polls = _poll(on)
        return {
            "ratio": round(pages / PER_SECOND / seconds, 3),
            "payments": compared,
            "seconds": round(seconds, 1),
            "pages": pages,
            "differences": _one(on, "SELECT count(*) FROM discrepancies WHERE status = 'open'"),
            "polls_per_second": round(polls, 1),
            "refused_by_stripe": sum(
                on.log(f"worker-{queue}").count("HTTP 429") for queue in ("stripe", "clock")
            ),
        }


def _payment(address: str, *, pay: bool) -> dict[str, Any]:
    """One that went the whole way."""
    body = {"order_id": "paid" if pay else "open", "amount": 1999, "currency": "EUR"}
    http = requests.Session()
    http.headers.update({"X-Api-Key": KEY, "X-Api-Secret": SECRET})
    url = f"{address}/api/v1/payments"
    made = http.post(url, json=body, timeout=10).json()["id"]

    def read() -> dict[str, Any]:
        return dict(http.get(f"{url}/{made}", timeout=10).json())

    wait_for("its page", lambda: read()["checkout_url"], seconds=30)
    if pay:
        requests.post(read()["checkout_url"], data=CARD, allow_redirects=False, timeout=10)
    return read()


def _copies(on: Ground, payment: dict[str, Any], *, kind: int, count: int) -> None:
    if kind == 2:  # no webhook comes here: it is asked about once
        with on.sql() as cursor:
            cursor.execute("UPDATE payments SET due_at = now() WHERE id = %s", (payment["id"],))
        paid = "SELECT count(*) FROM payments WHERE status = 'succeeded'"
        wait_for("the payment", lambda: _one(on, paid), seconds=30)
    values = {"kind": kind, "count": count, "payment": payment["id"], "order": payment["order_id"]}
    with on.sql() as cursor:
        cursor.execute(COPIES, values)
        cursor.execute("ANALYZE payments")
    (memory,) = Path(on.home).glob("gateway-bench-*/s.sqlite3")
    with Store(memory).transaction() as tx:
        _copies_at_stripe(tx, payment["id"], kind, count)


def _copies_at_stripe(tx: Transaction, payment_id: str, kind: int, count: int) -> None:
    sessions = tx.newest("checkout.session")
    session = next(each for each in sessions if each["client_reference_id"] == payment_id)
    intent = tx.find(session["payment_intent"] or "")
    charge = tx.find(intent["latest_charge"]) if intent else None
    for n in range(1, count + 1):
        mine = f"pay_{kind * 1000000 + n:026x}"
        names = {"client_reference_id": mine, "metadata": {"payment_id": mine}}
        ids = {"payment_intent": f"pi_{kind}_{n}"} if intent else {}
        tx.put(_like(session, f"cs_test_{kind}_{n}", **names, **ids))
        if intent and charge:
            paid = {"latest_charge": f"ch_{kind}_{n}", "metadata": {"payment_id": mine}}
            tx.put(_like(intent, f"pi_{kind}_{n}", **paid))
            tx.put(_like(charge, f"ch_{kind}_{n}", **ids))


def _like(obj: Object, id: str, **fields: Any) -> Object:
    return copy.copy(obj) | {"id": id} | fields


def _reconcile(on: Ground) -> tuple[float, int, int]:
    """Seconds, pages that had to be read, and payments that were compared."""
    from gateway.kernel import runs
    from gateway.kernel.db import transaction
    from gateway.reconciliation.service import PAGED

    with transaction(actor="bench") as tx:
        runs.start(tx, "reconcile")
    began = time.perf_counter()
    wait_for("the run", lambda: _last_run(on)[0] == "succeeded", seconds=LONGEST)
    _, params, compared = _last_run(on)
    read = params["read"]
    pages = sum(-(-read[name] // 100) or 1 for name in PAGED)
    return time.perf_counter() - began, pages + read["told"] + read["singles"], compared


def _last_run(on: Ground) -> Any:
    with on.sql() as cursor:
        cursor.execute(STATUS)
        return cursor.fetchone()


def _poll(on: Ground) -> float:
    """Polls a second while all that are open are due to be polled."""
    since = _one(on, "SELECT now()")
    with on.sql() as cursor:
        cursor.execute(POLL)
    time.sleep(POLLING_SECONDS)
    return float(_one(on, POLLED, since)) / POLLING_SECONDS


def _one(on: Ground, statement: str, *values: Any) -> Any:
    with on.sql() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]
