"""Around every request: an id, the log line, the headers that all answers carry."""

import time

from flask import Flask, Response, g, request

from gateway.kernel.ids import new_id
from gateway.kernel.logs import bind, current_request_id, get_logger

log = get_logger(__name__)


def init_app(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.began = time.monotonic()
    bind(request_id=new_id("req"))


def _end(response: Response) -> Response:
    response.headers["Request-Id"] = current_request_id() or ""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'")
    if request.path not in ("/healthz", "/readyz"):
        log.info(
            "request",
            method=request.method,
            route=request.url_rule.rule if request.url_rule else None,
            subject=_subject(),
            status=response.status_code,
            ms=round((time.monotonic() - g.began) * 1000, 1),
        )
    return response


def _subject() -> str | None:
    """What the address names; cut and escaped, since a stranger may write anything there.

    Of a client secret, only the id that it begins with.
    """
    named: list[str] = list((request.view_args or {}).values())
    return (
        named[0].partition("_secret_")[0][:128].encode("unicode_escape").decode() if named else None
    )
