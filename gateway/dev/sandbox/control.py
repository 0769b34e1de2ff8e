"""The levers under /_sandbox: troubles, the clock, resending and reset; outcomes and looks join in.

Real Stripe has none of this, so the product must never call it.
"""

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from gateway.dev.sandbox import due, events, looks, mistakes, outcomes
from gateway.dev.sandbox.clock import ClockUnreachable
from gateway.dev.sandbox.context import Sandbox
from gateway.dev.sandbox.levers import body, find


def blueprint(sandbox: Sandbox) -> Blueprint:
    control = Blueprint("control", __name__, url_prefix="/_sandbox")
    control.register_error_handler(HTTPException, _problem)
    _faults(control, sandbox)
    _clock(control, sandbox)
    _webhooks(control, sandbox)
    outcomes.add_to(control, sandbox)
    _reset(control, sandbox)
    looks.add_to(control, sandbox)
    mistakes.add_to(control, sandbox)
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


def _problem(error: HTTPException) -> ResponseReturnValue:
    return {"error": {"message": error.description}}, error.code or 500
