"""Puts the shop's parts into one Flask application. Starts no thread and opens no port."""

from dataclasses import dataclass

from flask import Flask, Response, render_template
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from gateway.dev.store import hooks, pages, products
from gateway.dev.store.client import Gateway, Problem, Unreachable
from gateway.dev.store.endpoint import Registration
from gateway.dev.store.inbox import Inbox
from gateway.dev.store.stages import ORDER_WORDS, PAYMENT_WORDS, tone, words

MAX_BODY_BYTES = 1024 * 1024
# No form-action: a browser applies it to the redirect that leads a buyer to the payment page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Links:
    gateway: str
    sandbox: str | None = None
    flower: str | None = None


@dataclass(frozen=True)
class Store:
    """What the pages work with."""

    gateway: Gateway
    registration: Registration
    inbox: Inbox
    url: str
    links: Links


def create_app(store: Store) -> Flask:
    app = Flask(__name__, static_url_path="/assets")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        shop=products.NAME,
        links=store.links,
        price=products.price,
        tone=tone,
        order_words=lambda status: words(status, ORDER_WORDS),
        payment_words=lambda status: words(status, PAYMENT_WORDS),
    )
    app.register_blueprint(hooks.blueprint(store.registration, store.inbox))
    app.register_blueprint(pages.blueprint(store.gateway, store.inbox, url=store.url))
    app.register_error_handler(Problem, _refused)
    app.register_error_handler(Unreachable, _unreachable)
    app.register_error_handler(HTTPException, _http)
    app.after_request(_with_headers)
    return app


def _with_headers(answer: Response) -> Response:
    answer.headers.update(HEADERS)
    if answer.mimetype in ("text/html", "application/json"):
        answer.headers["Cache-Control"] = "no-store"  # going back gives a form with a new token
    return answer


def _refused(problem: Problem) -> ResponseReturnValue:
    page = render_template(
        "problem.html",
        title=problem.title,
        detail=problem.detail,
        request_id=problem.request_id,
        again=pages.sent_form() if problem.is_temporary else None,
    )
    return page, problem.status


def _unreachable(error: Unreachable) -> ResponseReturnValue:
    page = render_template(
        "problem.html",
        title="The gateway cannot be reached.",
        detail=f"{error} Trying again is safe: you cannot buy twice by it.",
        again=pages.sent_form(),
    )
    return page, 503, {"Retry-After": "2"}


def _http(error: HTTPException) -> ResponseReturnValue:
    """404, 405 and the like, as the framework raises them."""
    page = render_template("problem.html", title=error.name, detail=error.description)
    return page, error.code or 500
