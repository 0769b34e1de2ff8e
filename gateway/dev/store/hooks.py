"""HTTP for machines: the callbacks that come in, what came in, and whether the shop is ready."""

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from gateway.dev.store.endpoint import Registration
from gateway.dev.store.inbox import Inbox, NotVerified

MOST, ON_A_PAGE = 200, 10


def blueprint(registration: Registration, inbox: Inbox) -> Blueprint:
    hooks = Blueprint("hooks", __name__)

    @hooks.post("/callbacks")
    def receive() -> Response:
        """2xx says: verified and kept. Any other answer makes the gateway send it again."""
        raw = request.get_data()
        secret = registration.secret
        if secret is None:
            return _words(registration.waiting_for, 503)
        try:
            inbox.receive(
                raw, {name.lower(): value for name, value in request.headers}, secret=secret
            )
        except NotVerified as error:
            return _words(str(error), 400)
        return Response(status=204)

    @hooks.get("/callbacks.json")
    def callbacks() -> Response:
        asked = request.args
        about = asked.get("payment_id") or asked.get("order_id") or None
        found = inbox.listed(about=about, type=asked.get("type") or None)
        return jsonify(data=[callback.as_json() for callback in found[:MOST]])

    @hooks.get("/callbacks/panel")
    def panel() -> str:
        """The list as the pages show it, for the script that refreshes them."""
        return render_template("callbacks.html", **panel_of(inbox, request.args.get("about")))

    @hooks.get("/healthz")
    def healthz() -> Response:
        if registration.secret is None:
            return _words(registration.waiting_for, 503)
        return _words("The shop is open.", 200)

    return hooks


def panel_of(inbox: Inbox, about: str | None = None) -> dict[str, Any]:
    found = inbox.listed(about=about or None)
    return {"callbacks": found[:ON_A_PAGE], "more": len(found) - ON_A_PAGE, "about": about or ""}


def _words(sentence: str, status: int) -> Response:
    answer = Response(f"{sentence}\n", status, content_type="text/plain; charset=utf-8")
    if status == 503:
        answer.headers["Retry-After"] = "1"
    return answer
