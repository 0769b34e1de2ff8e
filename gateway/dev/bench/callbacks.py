"""Callbacks delivered a second, with claim, signature and attempt rows, against a bare loop.

The bare one is asyncio and aiohttp, 100 requests in flight, no database, posting the same number
of bodies of the same size to the same receiver, which is one process with 1,000 addresses.
"""

import asyncio
import time
from typing import Any

import aiohttp

from gateway.dev.bench.duel import Say
from gateway.dev.bench.ground import Ground, ground
from gateway.dev.machine import free_port
from gateway.dev.seed import seed
from gateway.dev.stack import answers
from gateway.dev.walk import wait_for

ENDPOINTS, EVENTS, IN_FLIGHT = 1000, 2000, 100
MAKE = """
INSERT INTO events (id, type, subject_id, merchant_id, livemode, to_status, actor, data, created_at)
SELECT 'evt_' || n, 'payment.created', 'pay_' || n, 'mer_' || n %% %(endpoints)s, false, 'pending',
    'bench', jsonb_build_object('id', 'pay_' || n, 'filling', repeat('x', 700)), now()
FROM generate_series(1, %(events)s) n
"""
MERCHANTS = """
INSERT INTO merchants (id, name, created_at)
SELECT 'mer_' || n, 'Merchant ' || n, now() FROM generate_series(0, %s - 1) n
"""
DELIVERED = "SELECT count(*) FROM callback_deliveries WHERE status = 'delivered'"
LONGEST = 300.0


def measure(say: Say) -> dict[str, Any]:
    with ground({"GATEWAY_CALLBACK_TIMEOUT": "15"}) as on:
        seed()
        receiver = _receiver(on)
        bare = asyncio.run(_bare(receiver))
        say(f"bare: {bare:.0f}/s; delivering ...")
        _prepare(on, receiver)
        ours = _deliver(on)
        again = asyncio.run(_bare(receiver))
    return {
        "ratio": round(ours / ((bare + again) / 2), 3),
        "delivered_per_second": round(ours),
        "bare_posted_per_second": round((bare + again) / 2),
        "endpoints": ENDPOINTS,
    }


def _receiver(on: Ground) -> str:
    import sys

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gateway.dev.bench.receiver", str(port)]
    on.run("receiver", command, ready=lambda: answers(f"{url}/healthz"))
    return url


def _prepare(on: Ground, receiver: str) -> None:
    from gateway.callbacks import service
    from gateway.kernel.db import transaction
    from gateway.kernel.http import Caller

    with on.sql() as cursor:
        cursor.execute(MERCHANTS, (ENDPOINTS,))
    for first in range(0, ENDPOINTS, 100):
        with transaction(actor="bench") as tx:
            for n in range(first, first + 100):
                caller = Caller(merchant_id=f"mer_{n}", livemode=False, key_id="bench")
                url = f"{receiver}/hooks/{n}"
                service.create(
                    tx, caller, {"url": url, "events": ["payment.created"], "description": None}
                )
    with on.sql() as cursor:
        cursor.execute(MAKE, {"endpoints": ENDPOINTS, "events": EVENTS})


def _deliver(on: Ground) -> float:
    """From the start of the worker's work to the last delivery; the relay fans out before."""
    from workers.relay import Relay

    relay = Relay(lambda _: None)
    while relay.number():
        pass
    on.work(queues=("callbacks",))
    began, start = time.perf_counter(), _delivered(on)
    wait_for("the deliveries", lambda: _delivered(on) >= EVENTS, seconds=LONGEST)
    return (EVENTS - start) / (time.perf_counter() - began)


def _delivered(on: Ground) -> int:
    with on.sql() as cursor:
        cursor.execute(DELIVERED)
        return int(cursor.fetchone()[0])


async def _bare(receiver: str) -> float:
    body, places = (
        b'{"type": "payment.created", "data": "' + b"x" * 800 + b'"}',
        iter(range(EVENTS)),
    )
    timeout, connector = aiohttp.ClientTimeout(15), aiohttp.TCPConnector(limit=IN_FLIGHT)

    async def keep_posting(http: aiohttp.ClientSession) -> None:
        for n in places:
            async with http.post(f"{receiver}/hooks/{n % ENDPOINTS}", data=body) as answer:
                await answer.read()
                answer.raise_for_status()

    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        began = time.perf_counter()
        await asyncio.gather(*(keep_posting(http) for _ in range(IN_FLIGHT)))
        return EVENTS / (time.perf_counter() - began)
