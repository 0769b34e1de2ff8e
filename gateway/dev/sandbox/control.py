"""The levers under /_sandbox: troubles, the clock, resending, forced outcomes, and a look inside.

Real Stripe has none of this, so the product must never call it.
"""

from flask import Blueprint, abort, jsonify
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from gateway.dev.sandbox import due, events, outcomes
from gateway.dev.sandbox.clock import ClockUnreachable
from gateway.dev.sandbox.context import Sandbox, Work
from gateway.dev.sandbox.levers import body, find
from gateway.dev.sandbox.store import Object

_KINDS = ("checkout.session", "payment_intent", "charge", "refund", "dispute", "event")


def blueprint(sandbox: Sandbox) -> Blueprint:
    control = Blueprint("control", __name__, url_prefix="/_sandbox")
    control.register_error_handler(HTTPException, _problem)
    _faults(control, sandbox)
    _clock(control, sandbox)
    _webhooks(control, sandbox)
    outcomes.add_to(control, sandbox)
    _reset(control, sandbox)
    _looks(control, sandbox)
    return control


def _faults(control: Blueprint, sandbox: Sandbox) -> None:
    @control.get("/faults")
    def read_faults() -> ResponseReturnValue:
        return sandbox.faults.as_dict()

    @control.put("/faults")
    def change_faults() -> ResponseReturnValue:
        try:
            sandbox.faults.change(body())
        except ValueError as error:
            abort(422, str(error))
        return sandbox.faults.as_dict()

    @control.delete("/faults")
    def reset_faults() -> ResponseReturnValue:
        sandbox.faults.reset()
        return sandbox.faults.as_dict()


def _clock(control: Blueprint, sandbox: Sandbox) -> None:
    @control.post("/clock")
    def advance_clock() -> ResponseReturnValue:
        seconds = body().get("advance_s")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            abort(422, "advance_s must be a number of seconds, not negative.")
        try:
            sandbox.clock.advance(seconds)
        except ClockUnreachable as error:
            abort(503, f"The clock lives in the gateway's database: {error}")
        with sandbox.work() as work:
            due.settle_due(work)
        return {"now": sandbox.clock.now(), "offset_seconds": sandbox.clock.offset()}


def _webhooks(control: Blueprint, sandbox: Sandbox) -> None:
    @control.post("/webhooks/resend")
    def resend() -> ResponseReturnValue:
        event_id = str(body().get("event_id"))
        if sandbox.webhook_url is None:
            abort(409, "The sandbox was started without a webhook URL.")
        with sandbox.work() as work:
            find(work, "event", event_id)
            events.resend(work, event_id)
        return {"event_id": event_id, "sent_to": sandbox.webhook_url}


def _reset(control: Blueprint, sandbox: Sandbox) -> None:
    @control.post("/reset")
    def reset() -> ResponseReturnValue:
        with sandbox.store.transaction() as tx:
            tx.forget_everything()
        sandbox.faults.reset()
        return {"reset": True}


def _looks(control: Blueprint, sandbox: Sandbox) -> None:
    @control.get("/health")
    def health() -> ResponseReturnValue:
        return {"status": "ok"}

    @control.get("/sessions/<id>")
    def one_session(id: str) -> ResponseReturnValue:
        with sandbox.work() as work:
            due.settle_due(work)
            session = find(work, "checkout.session", id)
            intent_id = session["payment_intent"] or ""
            intent = work.tx.get("payment_intent", intent_id)
            charges = work.tx.of_intent("charge", intent_id)
            notes = work.tx.notes(id)
        return {"session": session, "payment_intent": intent, "charges": charges, "notes": notes}

    @control.get("/charges")
    def charges() -> ResponseReturnValue:
        with sandbox.work() as work:
            return jsonify(work.tx.newest("charge"))

    @control.get("/state")
    def state() -> ResponseReturnValue:
        with sandbox.work() as work:
            due.settle_due(work)
            return _state(work) | {"now": work.now}


def _state(work: Work) -> Object:
    sql = "SELECT kind, count(*) FROM objects GROUP BY kind"
    counts = dict.fromkeys(_KINDS, 0) | dict(work.tx.execute(sql).fetchall())
    sql = "SELECT state, count(*) FROM deliveries GROUP BY state"
    deliveries = dict(work.tx.execute(sql).fetchall())
    sql = (
        "SELECT payment_intent, count(*) FROM objects"
        " WHERE kind = 'charge' AND label = 'succeeded' GROUP BY payment_intent"
    )
    paid = dict(work.tx.execute(sql).fetchall())
    shown = ("id", "client_reference_id", "status", "payment_status", "payment_intent")
    listed = [
        {name: session[name] for name in shown}
        | {"successful_charges": paid.get(session["payment_intent"], 0)}
        for session in work.tx.newest("checkout.session")
    ]
    return {"counts": counts, "deliveries": deliveries, "sessions": listed}


def _problem(error: HTTPException) -> ResponseReturnValue:
    return {"error": {"message": error.description}}, error.code or 500
