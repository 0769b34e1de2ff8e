"""Refreshing payments: claim, ask Stripe, apply, a second; against asking alone.

One worker of eight threads, the relay and the sandbox without latency; the bare one asks the same
sandbox about the same sessions from eight threads of one process and writes nothing down.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from gateway.dev.bench.duel import Say
from gateway.dev.bench.ground import Ground, ground
from gateway.dev.bench.load import Post, closed
from gateway.dev.bench.payments import HEADERS, body
from gateway.dev.seed import seed
from gateway.dev.walk import wait_for

PAYMENTS, THREADS = 800, 8
OPENED = "SELECT count(*) FROM payments WHERE checkout_url IS NOT NULL"
CHECKED = "SELECT count(*) FROM payments WHERE checked_at > %s"
LONGEST = 300.0


def measure(say: Say) -> dict[str, Any]:
    with ground() as on:
        seed()
        address = on.web("web", "gateway.app:create_app")
        payments = Post(f"{address}/api/v1/payments", HEADERS, body("a"))
        made = 0
        while made < PAYMENTS:
            made += len(closed(payments, connections=8, seconds=0.5).only(201).latencies)
        say(f"{made} payments; opening their pages ...")
        sandbox = on.sandbox()
        began = time.perf_counter()
        on.work(sandbox, queues=("stripe",))
        started = time.perf_counter()
        wait_for("opening the pages", lambda: _count(on, OPENED) >= made, seconds=LONGEST)
        opened = made / (time.perf_counter() - started)
        say(f"opened {opened:.0f}/s, {started - began:.1f} s after a start; refreshing ...")
        refreshed = _refresh(on, made)
        bare = _ask(on, sandbox)
    return {
        "ratio": round(refreshed / bare, 3),
        "refreshed_per_second": round(refreshed),
        "bare_asked_per_second": round(bare),
        "opened_per_second": round(opened),
        "payments": made,
    }


def _count(on: Ground, statement: str, *values: Any) -> int:
    with on.sql() as cursor:
        cursor.execute(statement, values)
        return int(cursor.fetchone()[0])


def _refresh(on: Ground, made: int) -> float:
    with on.sql() as cursor:
        cursor.execute("SELECT now()")
        since = cursor.fetchone()[0]
        cursor.execute("UPDATE payments SET due_at = now()")
    began = time.perf_counter()
    wait_for("the refresh", lambda: _count(on, CHECKED, since) >= made, seconds=LONGEST)
    return made / (time.perf_counter() - began)


def _ask(on: Ground, sandbox: str) -> float:
    with on.sql() as cursor:
        cursor.execute("SELECT stripe_session_id FROM payments LIMIT %s", (PAYMENTS,))
        ids = [row[0] for row in cursor]
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {on.env['STRIPE_SECRET_KEY']}"

    def ask(session_id: str) -> None:
        url = f"{sandbox}/v1/checkout/sessions/{session_id}"
        http.get(url, params={"expand[]": "payment_intent.latest_charge"}).raise_for_status()

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, ids))
    return len(ids) / (time.perf_counter() - began)
