"""The relay: events numbered and fanned out a second, against two bare statements.

The bare ones number and copy as many rows of a table of the same shape, without what makes it
sound: no guard that history cannot be edited, no order per merchant, no match of endpoints.
"""

import time
from statistics import median
from typing import Any

from gateway.dev.bench.duel import Say
from gateway.dev.bench.ground import Ground, ground
from gateway.dev.seed import seed

EVENTS, ROUNDS = 5000, 3

MAKE = """
INSERT INTO events (id, type, subject_id, merchant_id, livemode, to_status, actor, data, created_at)
SELECT 'evt_' || %(round)s || '_' || n, 'payment.created', 'pay_' || n, %(merchant)s, false,
    'pending', 'bench', jsonb_build_object('id', 'pay_' || n, 'amount', 1999), now()
FROM generate_series(1, %(events)s) n
"""
BARE = """
CREATE TABLE bare_events (LIKE events INCLUDING DEFAULTS INCLUDING IDENTITY);
ALTER TABLE bare_events ADD PRIMARY KEY (seq);
CREATE UNIQUE INDEX ON bare_events (id);
CREATE INDEX ON bare_events (position);
CREATE TABLE bare_deliveries (id text PRIMARY KEY, event_id text NOT NULL,
    endpoint_id text NOT NULL, status text NOT NULL, due_at timestamptz);
CREATE INDEX ON bare_deliveries (due_at);
"""
BARE_NUMBER = """
UPDATE bare_events SET position = numbered.n, sequence = numbered.n
FROM (SELECT seq, row_number() OVER (ORDER BY seq) + %(done)s AS n FROM bare_events
      WHERE seq > %(done)s ORDER BY seq LIMIT 500) numbered
WHERE bare_events.seq = numbered.seq
"""
BARE_FAN_OUT = """
INSERT INTO bare_deliveries SELECT 'wd_' || id, id, 'we_1', 'pending', now()
FROM bare_events WHERE position > %(done)s AND position <= %(done)s + 500
"""


def measure(say: Say) -> dict[str, Any]:
    with ground() as on:
        merchant = seed().merchant
        _endpoint(merchant)
        with on.sql() as cursor:
            cursor.execute(BARE)
        ours, bare = [], []
        for number in range(ROUNDS):
            bare.append(_bare(on, number, merchant))
            ours.append(_ours(on, number, merchant))
            say(f"round {number + 1}: bare {bare[-1]:.0f}/s, ours {ours[-1]:.0f}/s")
    return {
        "ratio": round(median(ours) / median(bare), 3),
        "events_per_second": round(median(ours)),
        "bare_events_per_second": round(median(bare)),
    }


def _endpoint(merchant_id: str) -> None:
    from gateway.callbacks import service
    from gateway.kernel.db import transaction
    from gateway.kernel.http import Caller

    caller = Caller(merchant_id=merchant_id, livemode=False, key_id="bench")
    body = {"url": "http://127.0.0.1:9/", "events": ["*"], "description": None}
    with transaction(actor="bench") as tx:
        service.create(tx, caller, body)


def _ours(on: Ground, number: int, merchant: str) -> float:
    from workers.relay import Relay

    with on.sql() as cursor:
        cursor.execute(MAKE, {"round": number, "merchant": merchant, "events": EVENTS})
    relay, began = Relay(lambda _: None), time.perf_counter()
    while relay.number():
        pass
    return EVENTS / (time.perf_counter() - began)


def _bare(on: Ground, number: int, merchant: str) -> float:
    make = MAKE.replace("INTO events", "INTO bare_events")
    with on.sql() as cursor:
        cursor.execute(make, {"round": number, "merchant": merchant, "events": EVENTS})
        began = time.perf_counter()
        for done in range(number * EVENTS, (number + 1) * EVENTS, 500):
            cursor.execute(BARE_NUMBER, {"done": done})
            cursor.execute(BARE_FAN_OUT, {"done": done})
    return EVENTS / (time.perf_counter() - began)
