"""The least that may be called accepting a payment honestly, to measure the gateway against.

One Flask route on the same server with the same number of processes and threads, the same JSON
checked by the same schema, and one order, one payment and one event committed to the same
PostgreSQL by psycopg2 over a pool. No keys, no locks, no life cycles: never to be deployed.
"""

import json
import os
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from flask import Flask, Response, request
from psycopg2.pool import ThreadedConnectionPool  # type: ignore[import-untyped]

from gateway.payments.schemas import PaymentCreate

TABLES = """
CREATE TABLE bare_orders (id text PRIMARY KEY, reference text UNIQUE, amount bigint NOT NULL,
    currency text NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE bare_payments (id text PRIMARY KEY, order_id text NOT NULL REFERENCES bare_orders,
    amount bigint NOT NULL, currency text NOT NULL, method text, status text NOT NULL,
    due_at timestamptz, created_at timestamptz NOT NULL);
CREATE INDEX ON bare_payments (order_id);
CREATE TABLE bare_events (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, type text NOT NULL,
    subject_id text NOT NULL, data jsonb NOT NULL, created_at timestamptz NOT NULL);
"""


def create_app() -> Flask:
    app = Flask("bare")
    schema = PaymentCreate()
    pool = ThreadedConnectionPool(1, 20, os.environ["DATABASE_URL"])

    @app.post("/payments")
    def create_payment() -> Response:
        body = schema.load(json.loads(request.get_data()))
        connection = pool.getconn()
        try:
            payment = record(connection, body)
            connection.commit()
        finally:
            pool.putconn(connection)
        return Response(json.dumps(payment), 201, content_type="application/json")

    return app


def record(connection: Any, body: dict[str, Any]) -> dict[str, Any]:
    now, order_id, payment_id = datetime.now(UTC), f"ord_{uuid4()}", f"pay_{uuid4()}"
    payment = {**body, "id": payment_id, "status": "pending", "created_at": now.isoformat()}
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bare_orders VALUES (%s, %s, %s, %s, 'payment_in_progress', %s)",
            (order_id, body["order_id"], body["amount"], body["currency"], now),
        )
        cursor.execute(
            "INSERT INTO bare_payments VALUES (%s, %s, %s, %s, %s, 'pending', %s, %s)",
            (payment_id, order_id, body["amount"], body["currency"], body["method"], now, now),
        )
        cursor.execute(
            "INSERT INTO bare_events (type, subject_id, data, created_at)"
            " VALUES ('payment.created', %s, %s, %s)",
            (payment_id, json.dumps(payment), now),
        )
    return payment
