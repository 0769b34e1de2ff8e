"""Looks inside the sandbox, for tests and for the curious: whole truth, no Stripe shapes.

Settles what is due, and changes nothing else.
"""

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from gateway.dev.sandbox import due
from gateway.dev.sandbox.context import Sandbox, Work
from gateway.dev.sandbox.levers import find
from gateway.dev.sandbox.store import Object

_NONE = {"intent_status": None}  # what there is not counts as 0 otherwise
_KINDS = ("checkout.session", "payment_intent", "charge", "refund", "dispute", "event")
_SHOWN = ("id", "client_reference_id", "status", "payment_status", "payment_intent")
# By payment intent, each in one pass over all objects of a kind.
_FIGURES = {
    "amount_received": (
        "SELECT id, json_extract(document, '$.amount_received') FROM objects"
        " WHERE kind = 'payment_intent'"
    ),
    "amount_refunded": (
        "SELECT payment_intent, sum(json_extract(document, '$.amount_refunded')) FROM objects"
        " WHERE kind = 'charge' GROUP BY payment_intent"
    ),
    "successful_charges": (
        "SELECT payment_intent, count(*) FROM objects"
        " WHERE kind = 'charge' AND label = 'succeeded' GROUP BY payment_intent"
    ),
    "intent_status": "SELECT id, label FROM objects WHERE kind = 'payment_intent'",
    # Only what was asked for: what a capture leaves to the shopper is no refund.
    "refunds": (
        "SELECT payment_intent, count(*) FROM objects WHERE kind = 'refund' GROUP BY payment_intent"
    ),
    "refunds_succeeded": (
        "SELECT payment_intent, sum(json_extract(document, '$.amount')) FROM objects"
        " WHERE kind = 'refund' AND label = 'succeeded' GROUP BY payment_intent"
    ),
    "disputes": (
        "SELECT payment_intent, count(*) FROM objects"
        " WHERE kind = 'dispute' GROUP BY payment_intent"
    ),
}


def add_to(control: Blueprint, sandbox: Sandbox) -> None:
    @control.get("/health")
    def health() -> ResponseReturnValue:
        return {"status": "ok"}

    @control.get("/sessions/<id>")
    def one_session(id: str) -> ResponseReturnValue:
        with sandbox.work() as work:
            due.settle_due(work)
            return _story(work, find(work, "checkout.session", id))

    @control.get("/charges")
    def charges() -> ResponseReturnValue:
        with sandbox.work() as work:
            return jsonify(work.tx.newest("charge"))

    @control.get("/state")
    def state() -> ResponseReturnValue:
        with sandbox.work() as work:
            due.settle_due(work)
            return _state(work) | {"now": work.now}


def _story(work: Work, session: Object) -> Object:
    intent_id = session["payment_intent"] or ""
    return {
        "session": session,
        "payment_intent": work.tx.get("payment_intent", intent_id),
        "charges": work.tx.of_intent("charge", intent_id),
        "refunds": work.tx.of_intent("refund", intent_id),
        "disputes": work.tx.of_intent("dispute", intent_id),
        "notes": work.tx.notes(session["id"]),
    }


def _state(work: Work) -> Object:
    counts = dict.fromkeys(_KINDS, 0) | _pairs(
        work, "SELECT kind, count(*) FROM objects GROUP BY kind"
    )
    figures = {name: _pairs(work, sql) for name, sql in _FIGURES.items()}
    return {
        "counts": counts,
        "deliveries": _pairs(work, "SELECT state, count(*) FROM deliveries GROUP BY state"),
        "sessions": [
            {name: session[name] for name in _SHOWN}
            | {"amount": session["amount_total"], "currency": session["currency"]}
            | {
                name: by.get(session["payment_intent"], _NONE.get(name, 0))
                for name, by in figures.items()
            }
            for session in work.tx.newest("checkout.session")
        ],
    }


def _pairs(work: Work, sql: str) -> dict[str, Any]:
    return dict(work.tx.execute(sql).fetchall())
