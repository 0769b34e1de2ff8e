"""POST /webhooks/stripe against the bare inbox: verify the signature, store the event once.

Ours also reads the event, finds the payment it is about and makes that due. Each request is an
event never seen, about one of some thousand payments.
"""

import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable
from itertools import count, cycle
from typing import Any

from flask import Flask, Response, request
from psycopg2.pool import ThreadedConnectionPool  # type: ignore[import-untyped]

from gateway.dev.bench.duel import Contender, Say, duel
from gateway.dev.bench.ground import ground
from gateway.dev.bench.load import Post, Signed, closed
from gateway.dev.bench.payments import HEADERS, body
from gateway.dev.embedded import APP
from gateway.dev.seed import seed

TABLE = """
CREATE TABLE bare_inbox (id text PRIMARY KEY, body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now())
"""


def bare_app() -> Flask:
    """The least inbox: never to be deployed."""
    app = Flask("bare")
    pool = ThreadedConnectionPool(1, 20, os.environ["DATABASE_URL"])
    secret = os.environ["STRIPE_WEBHOOK_SECRET"]

    @app.post("/webhooks/stripe")
    def store() -> Response:
        raw = request.get_data()
        parts = dict(part.split("=", 1) for part in request.headers["Stripe-Signature"].split(","))
        if not hmac.compare_digest(_sign(secret, parts["t"], raw), parts["v1"]):
            return Response(status=400)
        connection = pool.getconn()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO bare_inbox VALUES (%s, %s) ON CONFLICT DO NOTHING",
                    (json.loads(raw)["id"], raw.decode()),
                )
        finally:
            pool.putconn(connection)
        return Response('{"received": true}', content_type="application/json")

    return app


def measure(say: Say) -> dict[str, Any]:
    with ground() as on:
        seed()
        with on.sql() as cursor:
            cursor.execute(TABLE)
            cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {APP}")
        address = on.web("ours", "gateway.app:create_app")
        say("making payments to hear about ...")
        payments = Post(f"{address}/api/v1/payments", HEADERS, body("a"))
        closed(payments, connections=16, seconds=4.0).only(201)
        with on.sql() as cursor:
            cursor.execute("SELECT id FROM payments")
            ids = [row[0] for row in cursor]
        news = _news(ids, on.env["STRIPE_WEBHOOK_SECRET"])
        ours = Contender("ours", Post(f"{address}/webhooks/stripe", (), news), 200)
        address = on.web("bare", "gateway.dev.bench.stripe_webhooks:bare_app")
        bare = Contender("bare", Post(f"{address}/webhooks/stripe", (), news), 200)
        return duel(on, ours, bare, say) | {"payments": len(ids)}


def _sign(secret: str, at: str, raw: bytes) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()


def _news(payment_ids: list[str], secret: str) -> Callable[[], Signed]:
    number, subjects = count(), cycle(payment_ids)

    def make() -> Signed:
        session: dict[str, Any] = {
            "id": f"cs_test_{next(number)}",
            "object": "checkout.session",
            "client_reference_id": next(subjects),
            "payment_intent": None,
            "metadata": {},
        }
        event = {
            "id": f"evt_{next(number)}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "type": "checkout.session.completed",
            "livemode": False,
            "data": {"object": session},
        }
        raw, at = json.dumps(event).encode(), str(int(time.time()))
        return Signed(raw, f"Stripe-Signature: t={at},v1={_sign(secret, at, raw)}")

    return make
