"""Errors to `application/problem+json` (RFC 9457), in one place, for every answer of the app.

Never a traceback, never 500 for bad input. What the database cannot do now is 503.
"""

import json
from typing import Any

from flask import Flask, Response, request
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from gateway.kernel.errors import (
    BodyTooLarge,
    GatewayError,
    HttpError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from gateway.kernel.logs import current_request_id, get_logger
from gateway.settings import settings

log = get_logger(__name__)

# Deadlock, lock timeout, statement timeout, serialization failure: the same request can succeed.
_TRANSIENT = frozenset({"40P01", "55P03", "57014", "40001"})

_BY_STATUS = {error.status: error for error in (NotFound, MethodNotAllowed, BodyTooLarge)}

_DETAILS = {
    404: "There is nothing at this address; the API begins at /api/v1, its description at /docs.",
    413: "64 KiB is the most that is taken, and 256 KiB for Stripe's events.",
}


def init_app(app: Flask) -> None:
    app.register_error_handler(GatewayError, render)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(PoolTimeout, _database)
    app.register_error_handler(Exception, _bug)


def render(error: GatewayError) -> Response:
    if error.status >= 500 and not isinstance(error, Unavailable):
        log.error("request failed", code=error.code, detail=error.detail, exc_info=error)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = error.challenge
    errors = [{"param": each.param, "message": each.message} for each in error.errors]
    return _problem(error.status, error.code, error.title, error.detail, errors, headers)


def _http(error: HTTPException) -> Response:
    """404, 405 and the like, as the framework raises them; its headers (Allow) are kept."""
    status = error.code or 500
    known = _BY_STATUS.get(status, HttpError)
    kept = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    detail = _DETAILS.get(status) or error.description or error.name
    if "Allow" in kept:
        detail = f"Sent: {request.method}. It takes {kept['Allow']}."
    return _problem(status, known.code, known.title, detail, [], kept)


def _database(error: Exception) -> Response:
    if isinstance(error, DataError):
        return render(Invalid("A value cannot be stored; see the documentation for its limits."))
    state = getattr(getattr(error, "orig", None), "pgcode", None)
    lost = isinstance(error, OperationalError | PoolTimeout) or getattr(
        error, "connection_invalidated", False
    )
    if not lost and state not in _TRANSIENT:
        return _bug(error)
    log.warning("database unavailable", state=state, error=str(error).split("\n")[0])
    return render(
        Unavailable("The database did not answer in time. Nothing was changed.", retry_after=1)
    )


def _bug(error: Exception) -> Response:
    log.error("request failed", exc_info=error)
    detail = "This is a fault of the gateway and has been logged under this request id."
    return _problem(500, GatewayError.code, GatewayError.title, detail, [], {})


def _problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: list[dict[str, str]],
    headers: dict[str, str],
) -> Response:
    body: dict[str, Any] = {
        "type": f"{settings().base_url}/docs/errors#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": current_request_id(),
    }
    if errors:
        body["errors"] = errors
    return Response(
        json.dumps(body), status, headers=headers, content_type="application/problem+json"
    )
