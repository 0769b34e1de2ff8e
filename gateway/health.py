"""Is this process up, is the whole gateway well, and what is it working on?

`/readyz` is 503 only for what keeps this process from accepting payments (database, migrations).
Everything else that is wrong delays work without losing any, so it is shown as `degraded`.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from html import escape
from typing import Any

from flask import Flask, Response, jsonify
from sqlalchemy import func, or_, select, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.callbacks.models import Delivery, DeliveryStatus, Endpoint
from gateway.captures.models import Capture
from gateway.checkout.codes import CODES
from gateway.kernel import heartbeats, logs
from gateway.kernel.db import now, transaction
from gateway.kernel.due import is_due
from gateway.kernel.errors import NotFound, all_errors
from gateway.kernel.events import Event
from gateway.kernel.runs import Run, RunStatus
from gateway.migrations import head
from gateway.orders.models import Order
from gateway.payments.models import OPEN, Payment
from gateway.reconciliation.coverage import first_payment, has_compared
from gateway.reconciliation.discrepancies import IS_OPEN
from gateway.reconciliation.models import Discrepancy
from gateway.refunds.models import Refund
from gateway.settings import settings
from gateway.stripe_events.models import StripeEvent, StripeEventStatus

QUEUES = ("stripe", "callbacks", "clock")
# The queue that serves each kind of row that can be due; a test compares it with the relay's list.
QUEUE_OF: tuple[tuple[str, Any], ...] = (
    ("stripe", Payment),
    ("stripe", Capture),
    ("stripe", Refund),
    ("callbacks", Delivery),
    ("callbacks", Endpoint),
    ("clock", Order),
    ("clock", Run),
)
RELAY_LAG_SECONDS = 60
NOT_COMPARED_FOR = timedelta(hours=3)  # with Stripe, which is done every hour
OWING = tuple(model for _, model in QUEUE_OF)

log = logs.get_logger(__name__)


def init_app(app: Flask) -> None:
    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/readyz", view_func=readyz)
    app.add_url_rule("/docs/errors", view_func=error_page)
    app.add_url_rule("/api/v1/test/jobs/status", view_func=jobs_status)


def healthz() -> Response:
    return jsonify(status="ok")


def readyz() -> tuple[Response, int]:
    try:
        with transaction(actor="api:readyz") as tx:
            checks = _checks(tx)
    except ProgrammingError:  # no table, or not this version's
        wanted = {"ok": False, "detail": f"Run `gateway migrate` to get to {head()}."}
        return jsonify(status="unavailable", checks={"migrations": wanted}), 503
    except SQLAlchemyError as error:
        log.warning("not ready", error=str(error).split("\n")[0])
        checks = {"database": {"ok": False, "detail": "The database does not answer."}}
        return jsonify(status="unavailable", checks=checks), 503
    if not checks["migrations"]["ok"]:
        return jsonify(status="unavailable", checks=checks), 503
    well = all(check["ok"] for check in checks.values())
    return jsonify(status="ok" if well else "degraded", checks=checks), 200


def _checks(tx: Session) -> dict[str, dict[str, Any]]:
    living = heartbeats.alive(tx)
    workers = {queue: sum(b.slots for b in living if b.queue == queue) for queue in QUEUES}
    idle = [queue for queue, slots in workers.items() if not slots]
    return {
        "database": {"ok": True},
        "migrations": _migrations(tx),
        "relay": _relay(tx, any(beat.kind == "relay" for beat in living)),
        "workers": {
            "ok": not idle,
            "slots": workers,
            **({"detail": f"No worker takes from: {', '.join(idle)}."} if idle else {}),
        },
        "broker": _broker(living),
        "stripe": _stripe(tx),
        "reconciliation": _reconciliation(tx),
        "attention": _attention(tx),
    }


def _migrations(tx: Session) -> dict[str, Any]:
    """A database that is ahead is being upgraded: the version before goes on working in it."""
    at, wanted = tx.scalar(text("SELECT version_num FROM alembic_version")), head()
    if at is not None and at >= wanted:
        return {"ok": True, "at": at}
    return {"ok": False, "at": at, "detail": f"Run `gateway migrate` to get to {wanted}."}


def _relay(tx: Session, alive: bool) -> dict[str, Any]:
    lag = relay_lag(tx)
    state = {"ok": alive and lag < RELAY_LAG_SECONDS, "lag_seconds": round(lag, 1)}
    return state if alive else {**state, "detail": "No relay runs; start `gateway relay`."}


def relay_lag(tx: Session) -> float:
    """Seconds since the oldest event that no relay has numbered; 0 when all are."""
    age = func.extract("epoch", func.gateway_now() - func.min(Event.created_at))
    return float(tx.scalar(select(age).where(Event.position.is_(None))) or 0)


def _broker(living: list[heartbeats.Heartbeat]) -> dict[str, Any]:
    pulse = next((beat for beat in living if beat.kind == "broker"), None)
    if pulse is None:
        return {"ok": False, "detail": "Unknown: no relay has reported on it."}
    return {"ok": pulse.ok, **({"detail": pulse.detail} if pulse.detail else {})}


def _stripe(tx: Session) -> dict[str, Any]:
    """How many rows have asked Stripe in vain since its last answer about them."""
    count, oldest = 0, []
    for model in (model for queue, model in QUEUE_OF if queue == "stripe"):
        in_vain = select(func.count(), func.min(model.updated_at)).where(
            model.due_at.is_not(None), model.attempts > 0, model.leased_until.is_(None)
        )
        number, since = tx.execute(in_vain).one()
        count += number
        oldest += [since] if number else []
    if not count:
        return {"ok": True, "unanswered": 0}
    return {"ok": False, "unanswered": count, "oldest": min(oldest).isoformat()}


def _reconciliation(tx: Session) -> dict[str, Any]:
    """What differs from Stripe and nobody has looked at, and up to when everything was compared."""
    opened = tx.scalar(select(func.count()).select_from(Discrepancy).where(IS_OPEN)) or 0
    until = tx.scalar(select(func.max(Run.covers_until)).where(has_compared("reconcile")))
    since = until or first_payment(tx)
    late = since is not None and now(tx) - since > NOT_COMPARED_FOR
    state = {"ok": not opened and not late, "open": opened}
    return state | {"covered_until": until.isoformat() if until is not None else None}


def _attention(tx: Session) -> dict[str, Any]:
    counts = {
        model.KIND: tx.scalar(
            select(func.count()).select_from(model).where(model.needs_attention.is_not(None))
        )
        for model in OWING
    }
    return {"ok": not any(counts.values()), "needs_attention": counts}


def error_page() -> Response:
    """What each `code` of an error answer means; every answer's `type` leads here."""
    parts = [
        _explained(error.code, error.__doc__ or "", f"{error.status} {error.title}")
        for error in all_errors()
    ]
    parts.append("<h1>In a shop's page</h1>")
    parts += [_explained(code, text) for code, text in CODES.items()]
    page = Response(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Errors</title>'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark"><style>body{max-width:44rem;'
        "margin:2rem auto;"
        "padding:0 1rem;font:1rem/1.6 system-ui}section:target{outline:2px solid}h2{font-family:"
        "monospace}</style><h1>Errors</h1>" + "".join(parts) + "</html>"
    )
    page.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return page


def _explained(code: str, text: str, title: str = "") -> str:
    """`text` is ours; of Markdown it has backticks only."""
    told = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    bold = f"<p><b>{escape(title)}</b></p>" if title else ""
    return f'<section id="{code}"><h2>{code}</h2>{bold}<p>{told}</p></section>'


def jobs_status() -> Response:
    """What the gateway is working on, for tests and laptops."""
    if settings().is_production:
        raise NotFound("Only outside production.")
    with transaction(actor="api:jobs") as tx:
        living = heartbeats.alive(tx)
        queues = {queue: _queue(tx, queue) for queue in QUEUES}
        done, failed = _ended(tx)
    workers = {beat.queue for beat in living if beat.kind == "worker"}
    return jsonify(
        pending=sum(queue["pending"] for queue in queues.values()),
        processing=sum(queue["processing"] for queue in queues.values()),
        completed=done,
        failed=failed,
        worker_status="running" if workers >= set(QUEUES) else "missing",
        queues=queues,
    )


def _queue(tx: Session, queue: str) -> dict[str, int]:
    def count(conditions: Callable[[Any], Any]) -> int:
        models = [model for its, model in QUEUE_OF if its == queue]
        counts = (select(func.count()).select_from(each).where(conditions(each)) for each in models)
        return sum(tx.scalar(each) or 0 for each in counts)

    return {
        "pending": count(is_due),
        "processing": count(lambda model: model.leased_until > func.gateway_now()),
        "scheduled": count(lambda model: model.due_at > func.gateway_now()),
    }


def _ended(tx: Session) -> tuple[int, int]:
    """Jobs that came to their end, and those that did not or that wait for somebody."""

    def count(model: Any, *conditions: Callable[[], Any] | Any) -> int:
        return tx.scalar(select(func.count()).select_from(model).where(*conditions)) or 0

    done = (
        count(Payment, Payment.status.not_in(OPEN))
        + count(Delivery, Delivery.status == DeliveryStatus.DELIVERED)
        + count(Run, Run.status == RunStatus.SUCCEEDED)
        + count(StripeEvent, StripeEvent.status == StripeEventStatus.PROCESSED)
    )
    failed = (
        count(Payment, Payment.needs_attention.is_not(None))
        + count(Delivery, Delivery.status == DeliveryStatus.EXHAUSTED)
        + count(Run, or_(Run.status == RunStatus.FAILED, Run.needs_attention.is_not(None)))
        + count(StripeEvent, StripeEvent.status == StripeEventStatus.FAILED)
    )
    return done, failed
