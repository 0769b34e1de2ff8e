"""The store's pages and answers that are no integration: the panel, errors, and HTTP for machines.

Nothing here acts on a payment. An error shows what went wrong in words, with a way on.
"""

import os
import re
import secrets
from typing import Any

import shop
import words
from backstage import Inbox, Journal
from client import Gateway, Problem
from flask import Blueprint, Flask, Response, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from opening import Opening
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler

MOST = 200  # callbacks in one answer
EVENT, DETAIL = r"[a-z][a-z0-9_.:-]{0,39}", r"[\w .:=,-]{0,120}"


class Quiet(WSGIRequestHandler):
    """Logs no request, so never what a callback or a form contained."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def blueprint(opening: Opening, inbox: Inbox, journal: Journal) -> Blueprint:
    behind = Blueprint("behind", __name__)

    @behind.get("/callbacks.json")
    def callbacks() -> Response:
        asked = request.args
        about = asked.get("payment_id") or asked.get("order_id") or None
        found = inbox.listed(about=about, type=asked.get("type") or None)
        return jsonify(data=[callback.as_json() for callback in found[:MOST]])

    @behind.get("/healthz")
    def healthz() -> ResponseReturnValue:
        if opening.secret is None:
            return plain(opening.waiting_for, 503)
        return plain("The shop is open.", 200)

    @behind.get("/panel")
    def panel() -> ResponseReturnValue:
        """The lines as every page shows them, once they are others than those that were `seen`."""
        if request.args.get("seen") == str(journal.version):
            return "", 204
        return render_template("panel.html")

    @behind.post("/events")
    def note() -> ResponseReturnValue:
        """What the widget told the page, for the panel alone: it comes from a page."""
        told = request.get_json()
        name, detail = (told.get("name"), told.get("detail")) if isinstance(told, dict) else (0, 0)
        if not (_fits(EVENT, name) and _fits(DETAIL, detail)):
            abort(400, "Send name and detail, both short.")
        journal.widget(name, detail)
        return "", 204

    return behind


def _fits(pattern: str, text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(pattern, text) is not None


def plain(sentence: str, status: int) -> Response:
    answer = Response(f"{sentence}\n", status, content_type="text/plain; charset=utf-8")
    if status == 503:
        answer.headers["Retry-After"] = "1"
    return answer


def furnish(app: Flask, gateway: Gateway, opening: Opening, inbox: Inbox, journal: Journal) -> None:
    """Everything that the store has beside its integration."""
    app.register_blueprint(blueprint(opening, inbox, journal))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    known = {"shop": shop, "words": words, "t": words.TEXTS, "trials": shop.TRIALS}
    known |= {"journal": journal, "gateway": gateway, "env": os.environ.get}
    app.jinja_env.globals.update(known, new_token=lambda: secrets.token_hex(16))
    app.register_error_handler(Problem, _refused)
    app.register_error_handler(
        shop.BadCart, lambda error: told("That cannot be bought.", str(error))
    )
    # JSON within JSON without an end, as only somebody who means harm sends it.
    app.register_error_handler(RecursionError, lambda _: told("Bad Request", "Nested too deeply."))
    app.register_error_handler(HTTPException, _http)


def _refused(problem: Problem) -> ResponseReturnValue:
    """In the gateway's words. What only the shop can mend (401, 500) is to the shopper a 503."""
    status = problem.status if problem.status in (404, 409, 422, 429) else 503
    again = None
    if problem.is_temporary and request.method == "POST" and not request.is_json:
        again = {"action": request.path, "fields": request.form.to_dict()}  # the same token
    return told(problem.title, problem.detail, status, problem.request_id, again)


def _http(error: HTTPException) -> ResponseReturnValue:
    """404, 405 and the like, as the framework raises them."""
    return told(error.name, error.description or "", error.code or 500)


def told(
    title: str, detail: str, status: int = 400, request_id: str = "", again: Any = None
) -> ResponseReturnValue:
    headers = {"Retry-After": "2"} if status in (429, 503) else {}
    if request.is_json:
        return {"title": title, "detail": detail, "request_id": request_id}, status, headers
    page = render_template(
        "problem.html", title=title, detail=detail, request_id=request_id, again=again
    )
    return page, status, headers
