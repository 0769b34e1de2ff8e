"""Callbacks: how many a second, whether the healthy feel the hanging, whether history costs.

Throughput, with claim, signature and attempt rows, stands beside a bare loop: asyncio and aiohttp,
100 requests in flight, no database, the same number of bodies of the same size to the same 1,000
receivers. The other two figures compare ours with ours.
"""

import asyncio
import sys
import time
from typing import Any

import aiohttp

from gateway.dev.bench.duel import Say
from gateway.dev.bench.ground import Ground, ground
from gateway.dev.bench.growth import growth
from gateway.dev.bench.isolation import isolation
from gateway.dev.bench.receiver import HOW_MANY, host
from gateway.dev.machine import free_port
from gateway.dev.seed import seed
from gateway.dev.stack import answers

EVENTS, IN_FLIGHT = 10_000, 100
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
OPEN = "SELECT count(*) FROM callback_deliveries WHERE status = 'pending'"
# From the first post to the last attempt written down.
SECONDS = "SELECT extract(epoch FROM max(recorded_at) - min(started_at)) FROM callback_attempts"
LONGEST, LOOK_SECONDS = 300.0, 1.0


def measure(say: Say) -> dict[str, Any]:
    found = _throughput(say)
    for more in (isolation, growth):
        say(f"ratio {found['ratio']}; {more.__name__} ...")
        found |= _on_ground(more)
    return found


def _on_ground(figure: Any) -> dict[str, Any]:
    with ground({"GATEWAY_CALLBACK_TIMEOUT": "15"}) as on:
        seed()
        port = _receivers(on)
        _merchants(on)
        result: dict[str, Any] = figure(on, port)
        return result


def _throughput(say: Say) -> dict[str, Any]:
    with ground({"GATEWAY_CALLBACK_TIMEOUT": "15"}) as on:
        seed()
        port = _receivers(on)
        bare = asyncio.run(_bare(port))
        say(f"bare: {bare:.0f}/s; delivering ...")
        _merchants(on)
        _endpoints(port)
        with on.sql() as cursor:
            cursor.execute(MAKE, {"endpoints": HOW_MANY, "events": EVENTS})
        ours = _deliver(on)
        again = asyncio.run(_bare(port))
    return {
        "ratio": round(ours / ((bare + again) / 2), 3),
        "delivered_per_second": round(ours),
        "bare_posted_per_second": round((bare + again) / 2),
        "endpoints": HOW_MANY,
    }


def _receivers(on: Ground) -> int:
    """Start them; their port."""
    port = free_port()
    command = [sys.executable, "-m", "gateway.dev.bench.receiver", str(port)]
    on.run("receiver", command, ready=lambda: answers(f"http://{host(0)}:{port}/healthz"))
    return port


def _merchants(on: Ground) -> None:
    with on.sql() as cursor:
        cursor.execute(MERCHANTS, (HOW_MANY,))


def _endpoints(port: int) -> None:
    from gateway.callbacks import service
    from gateway.kernel.db import transaction
    from gateway.kernel.http import Caller

    for first in range(0, HOW_MANY, 100):
        with transaction(actor="bench") as tx:
            for n in range(first, first + 100):
                caller = Caller(merchant_id=f"mer_{n}", livemode=False, key_id="bench")
                body = {"url": _url(n, port), "events": ["payment.created"], "description": None}
                service.create(tx, caller, body)


def _url(n: int, port: int) -> str:
    return f"http://{host(n % HOW_MANY)}:{port}/hooks/{n}"


def _deliver(on: Ground) -> float:
    """The relay fans out before; then worker and relay do what they do in production."""
    from workers.relay import Relay

    relay = Relay(lambda _: None)
    while relay.number():
        pass
    on.work(queues=("callbacks",))
    ends = time.monotonic() + LONGEST
    while _one(on, OPEN) and time.monotonic() < ends:
        time.sleep(LOOK_SECONDS)  # counting takes from what is counted
    return EVENTS / float(_one(on, SECONDS))


def _one(on: Ground, statement: str) -> Any:
    with on.sql() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


async def _bare(port: int) -> float:
    body, places = (
        b'{"type": "payment.created", "data": "' + b"x" * 800 + b'"}',
        iter(range(EVENTS)),
    )
    timeout, connector = aiohttp.ClientTimeout(15), aiohttp.TCPConnector(limit=IN_FLIGHT)

    async def keep_posting(http: aiohttp.ClientSession) -> None:
        for n in places:
            async with http.post(_url(n, port), data=body) as answer:
                await answer.read()
                answer.raise_for_status()

    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        began = time.perf_counter()
        await asyncio.gather(*(keep_posting(http) for _ in range(IN_FLIGHT)))
        return EVENTS / (time.perf_counter() - began)
