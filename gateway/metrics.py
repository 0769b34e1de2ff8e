"""`GET /metrics`: what this gateway does, counted, as Prometheus reads it.

Requests are counted where they are served; everything else is read from PostgreSQL at the moment of
the scrape. Never a label that a stranger chooses, and never an error because the database is slow.
"""

import hmac
import os
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.callbacks.models import Delivery, DeliveryStatus, Endpoint
from gateway.captures.models import Capture, CaptureStatus
from gateway.disputes.models import Dispute, DisputeStatus
from gateway.health import OWING, QUEUE_OF, QUEUES, relay_lag
from gateway.kernel import heartbeats, logs
from gateway.kernel.db import transaction
from gateway.kernel.due import is_due
from gateway.kernel.errors import NotFound, Unauthenticated
from gateway.kernel.runs import Run, RunStatus
from gateway.orders.models import Order
from gateway.payments.models import OPEN, Payment
from gateway.reconciliation.models import Discrepancy, DiscrepancyStatus
from gateway.refunds.models import Refund, RefundStatus
from gateway.settings import settings
from gateway.stripe_events.models import StripeEvent, StripeEventStatus

# What is counted by status, and the statuses that a partial index finds without the history: those
# an alert may rest on, since the others of a large table are left out.
COUNTED: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (Payment, OPEN),
    (StripeEvent, (StripeEventStatus.RECEIVED, StripeEventStatus.UNMATCHED)),
    (Run, (RunStatus.PENDING,)),
    (Order, ()),
    (Capture, (CaptureStatus.PENDING,)),
    (Refund, (RefundStatus.PENDING,)),
    (Dispute, (DisputeStatus.OPEN,)),
    (Endpoint, ()),
    (Delivery, (DeliveryStatus.EXHAUSTED,)),
    (Discrepancy, (DiscrepancyStatus.OPEN,)),
)
# Counting history takes as long as it is: some 0.2 s for a million rows in memory. Ended statuses
# of a larger table are left out, and no statement holds up a scrape for longer than this.
COUNTABLE_ROWS = 1_000_000
STATEMENT_MS = 1000
# Read by the client library as it is imported: the processes of one Granian count there together.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
KIND_STATUS = ("kind", "status")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# `_count` of it is the counter of requests. In no registry: each scrape makes its own.
REQUESTS = Histogram(
    "gateway_request_seconds",
    "Requests by route, method and status, and how long they took.",
    ("route", "method", "status"),
    registry=None,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25),
)

log = logs.get_logger(__name__)


def init_app(app: Flask) -> None:
    """After `requests.init_app`, whose clock it reads."""
    if folder := os.environ.get(FOLDER):
        os.makedirs(folder, exist_ok=True)  # at the start, not in the middle of a payment
    app.after_request(_count)
    app.add_url_rule("/metrics", view_func=metrics)


def _count(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in METHODS else "other"
    seconds = time.monotonic() - g.began
    REQUESTS.labels(route, method, str(response.status_code)).observe(seconds)
    return response


def metrics() -> Response:
    _authorize()
    registry = CollectorRegistry()
    if os.environ.get(FOLDER):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REQUESTS)
    registry.register(_State())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _authorize() -> None:
    """Figures of a business are nobody else's: closed in production until there is a token."""
    token = settings().metrics_token
    if not token:
        if settings().is_production:
            raise NotFound("Metrics are closed: set GATEWAY_METRICS_TOKEN to open them.")
        return
    sent = request.headers.get("Authorization", "")
    if not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
        raise Unauthenticated("Send `Authorization: Bearer <GATEWAY_METRICS_TOKEN>`.")


class _State(Collector):
    """What the rows say. What could be read before something failed is shown all the same."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found: list[GaugeMetricFamily] = []
        ok = GaugeMetricFamily("gateway_scrape_ok", "Whether the database could be asked.", 1)
        try:
            with transaction(actor="api:metrics") as tx:
                tx.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_MS}"))
                for read in (_queues, _processes, _attention):
                    found += read(tx)
                rows = GaugeMetricFamily("gateway_rows", "Rows by status.", labels=KIND_STATUS)
                found.append(rows)
                _count_rows(tx, rows)
        except SQLAlchemyError as error:
            log.warning("scrape failed", error=str(error).split("\n")[0])
            ok = GaugeMetricFamily(ok.name, ok.documentation, 0)
        yield from (ok, *found)


def _family(name: str, meaning: str, labels: tuple[str, ...], rows: Any) -> GaugeMetricFamily:
    """`rows` are pairs of label values and a value."""
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in rows:
        family.add_metric([str(each) for each in values], float(value))
    return family


def _queues(tx: Session) -> list[GaugeMetricFamily]:
    depth: dict[tuple[str, str], int] = {}
    oldest = dict.fromkeys(QUEUES, 0.0)
    for queue, model in QUEUE_OF:
        *counts, age = tx.execute(_depth(model)).one()
        for state, count in zip(("due", "leased", "scheduled"), counts, strict=True):
            depth[queue, state] = depth.get((queue, state), 0) + count
        oldest[queue] = max(oldest[queue], float(age or 0))
    ages = [((queue,), age) for queue, age in oldest.items()]
    return [
        _family(
            "gateway_queue_rows",
            "Rows that owe something: due now, being worked on, or due later.",
            ("queue", "state"),
            depth.items(),
        ),
        _family("gateway_queue_oldest_seconds", "Age of the oldest due row.", ("queue",), ages),
    ]


def _depth(model: Any) -> Any:
    """One look at the partial index over `due_at`: it holds what is owed, not what is over."""
    now = func.gateway_now()
    leased = model.leased_until > now
    return select(
        func.count().filter(is_due(model)),
        func.count().filter(leased),
        func.count().filter(model.due_at > now, leased.is_not(True)),
        func.extract("epoch", now - func.min(model.due_at).filter(is_due(model))),
    ).where(model.due_at.is_not(None))


def _processes(tx: Session) -> list[GaugeMetricFamily]:
    living = heartbeats.alive(tx)
    slots = [((q,), sum(beat.slots for beat in living if beat.queue == q)) for q in QUEUES]
    relays = sum(beat.kind == "relay" for beat in living)
    broker = any(beat.kind == "broker" and beat.ok for beat in living)
    return [
        _family("gateway_worker_slots", "Tasks that can run at once.", ("queue",), slots),
        GaugeMetricFamily("gateway_relays", "Relays heard of in ten seconds.", relays),
        GaugeMetricFamily("gateway_broker_up", "Whether a relay reaches the broker.", int(broker)),
        GaugeMetricFamily(
            "gateway_relay_lag_seconds", "Age of the oldest unnumbered event.", relay_lag(tx)
        ),
    ]


def _attention(tx: Session) -> list[GaugeMetricFamily]:
    rows = [((model.KIND,), _waiting(tx, model)) for model in OWING]
    meaning = "Rows that a person should look at: `gateway attention`."
    return [_family("gateway_needs_attention", meaning, ("kind",), rows)]


def _waiting(tx: Session, model: Any) -> int:
    waiting = select(func.count()).select_from(model).where(model.needs_attention.is_not(None))
    return tx.scalar(waiting) or 0


def _count_rows(tx: Session, rows: GaugeMetricFamily) -> None:
    """What an index finds of every kind first; the rest alone grows with history."""
    for model, opened in COUNTED:
        _add(rows, tx, model, opened)
    for model, opened in COUNTED:
        if _estimate(tx, model) > COUNTABLE_ROWS:
            continue
        known = {status for targets in model.TRANSITIONS.values() for status in targets}
        _add(rows, tx, model, tuple(sorted(known - set(opened))))


def _estimate(tx: Session, model: Any) -> float:
    """How many rows PostgreSQL believes a table to have, which costs nothing to ask."""
    believed = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
    return tx.scalar(believed, {"name": model.__tablename__}) or 0.0


def _add(rows: GaugeMetricFamily, tx: Session, model: Any, statuses: tuple[str, ...]) -> None:
    if not statuses:
        return
    by_status = select(model.status, func.count()).where(model.status.in_(statuses))
    counted = tx.execute(by_status.group_by(model.status)).all()
    counts: dict[str, int] = {status: count for status, count in counted}  # noqa: C416
    for status in statuses:
        rows.add_metric([model.KIND, status], counts.get(status, 0))
