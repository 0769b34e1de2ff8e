"""Everything under /v1: who asks, what for, whether it was asked before, how the answer looks."""

import base64
import binascii
import json
import re
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Request, Response, request

from gateway.dev.sandbox import due, idempotency, listing, objects, operations, params
from gateway.dev.sandbox.context import Origin, Sandbox
from gateway.dev.sandbox.errors import ApiError, server_error, unrecognised_url
from gateway.dev.sandbox.operations import Operation

HELD_BEFORE_HANGING_UP_S = 2.0
_ROUTES = [
    (operation, re.compile(operation.pattern.replace("{id}", "(?P<id>[^/]+)")))
    for operation in operations.OPERATIONS
]


@dataclass
class Answer:
    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False


@dataclass(frozen=True)
class Call:
    """What matters of a request."""

    method: str
    path: str
    body: str
    key: str | None
    request_id: str

    @classmethod
    def of(cls, request: Request) -> "Call":
        raw = request.query_string if request.method == "GET" else request.get_data()
        return cls(
            method=request.method,
            path=request.path,
            body=raw.decode("utf-8", "replace"),
            key=request.headers.get("Idempotency-Key"),
            request_id=objects.new_id("req_", 14),
        )


def blueprint(sandbox: Sandbox) -> Blueprint:
    api = Blueprint("api", __name__)
    keys = idempotency.Keys()

    @api.route("/v1", defaults={"path": ""}, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    @api.route("/v1/<path:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def answer(path: str) -> Response:
        call = Call.of(request)
        try:
            given = _answer(sandbox, keys, call, path)
        except ApiError as error:
            given = Answer(error.status, render(error.body), error.headers)
        if given.hang_up:
            _hang_up(request.environ)
        return _response(call, given)

    return api


def render(body: Any) -> str:
    return json.dumps(body, indent=2)


def _answer(sandbox: Sandbox, keys: idempotency.Keys, call: Call, path: str) -> Answer:
    if sandbox.faults.over_the_limit():
        reason = {"Stripe-Rate-Limited-Reason": "global-rate"}
        raise ApiError(429, "Too many requests.", code="rate_limit", headers=reason)
    if sandbox.faults.strikes("error_before"):
        raise server_error()
    _authenticate(request)
    operation, id = _route(call, path)
    if operation.method == "GET":
        _be_slow(sandbox)
        status, body = _execute(sandbox, call, operation, id)
        return Answer(status, body)
    if call.key is not None:
        idempotency.check(call.key)
    with keys.claim(call.key or call.request_id):
        _be_slow(sandbox)
        return _once(sandbox, call, operation, id)


def _once(sandbox: Sandbox, call: Call, operation: Operation, id: str) -> Answer:
    if call.key is not None:
        before = idempotency.recall(sandbox, call.key, call.path, call.body)
        if before is not None:
            headers = {"Idempotent-Replayed": "true", "Original-Request": before.request_id}
            return Answer(before.status, before.body, headers)
    status, body = _execute(sandbox, call, operation, id)
    return Answer(status, body, hang_up=sandbox.faults.strikes("timeout_after"))


def _execute(sandbox: Sandbox, call: Call, operation: Operation, id: str) -> tuple[int, str]:
    """Do it and remember the answer, in one transaction."""
    values = _validated(operation, call.body)
    with sandbox.work(Origin(call.request_id, call.key)) as work:
        due.settle_due(work)
        try:
            found = operation.run(work, id, values)
            status, body = 200, render(listing.expand(work, found, values.get("expand") or []))
        except ApiError as error:
            if not error.executed:
                raise
            status, body = error.status, render(error.body)
        if call.method == "POST":
            if sandbox.faults.strikes("error_after"):
                status, body = 500, render(server_error().body)
            if call.key is not None:
                first = idempotency.Remembered(status, body, call.request_id)
                idempotency.remember(work, call.key, call.path, call.body, first)
    return status, body


def _validated(operation: Operation, body: str) -> dict[str, Any]:
    read = params.read(operation.params, body)
    if read.problems:
        first = read.problems[0]
        raise ApiError(400, first.message, code=first.code, param=first.param or None)
    return read.values


def _route(call: Call, path: str) -> tuple[Operation, str]:
    for operation, pattern in _ROUTES:
        match = pattern.fullmatch(path)
        if match and operation.method == call.method:
            return operation, match.groupdict().get("id", "")
    raise unrecognised_url(call.method, call.path)


def _authenticate(request: Request) -> None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    key = _basic_user(credentials) if scheme.lower() == "basic" else credentials.strip()
    challenge = {"WWW-Authenticate": 'Basic realm="Stripe"'}
    if not key or scheme.lower() not in ("bearer", "basic"):
        message = "You did not provide an API key. Send it as `Authorization: Bearer sk_test_...`."
        raise ApiError(401, message, headers=challenge)
    if not re.fullmatch(r"sk_test_[A-Za-z0-9_]+", key):
        raise ApiError(401, f"Invalid API Key provided: {_masked(key)}", headers=challenge)


def _basic_user(credentials: str) -> str:
    try:
        return base64.b64decode(credentials).decode("ascii").partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _masked(key: str) -> str:
    return key[:8] + "*" * max(0, len(key) - 12) + key[-4:] if len(key) > 12 else "*" * len(key)


def _be_slow(sandbox: Sandbox) -> None:
    if sandbox.faults.settings.latency_ms:
        time.sleep(sandbox.faults.settings.latency_ms / 1000)


def _hang_up(environ: dict[str, Any]) -> None:
    """The work is done, but the client will see only a broken connection."""
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        time.sleep(HELD_BEFORE_HANGING_UP_S)
        connection.shutdown(socket.SHUT_RDWR)


def _response(call: Call, answer: Answer) -> Response:
    response = Response(answer.body, answer.status, mimetype="application/json")
    response.headers["Request-Id"] = call.request_id
    response.headers["Stripe-Version"] = objects.API_VERSION
    if call.method == "POST":
        response.headers["Original-Request"] = call.request_id
        if call.key is not None:
            response.headers["Idempotency-Key"] = call.key
        # On these the SDK is left to its own rules, as the header would overrule them.
        if answer.status < 500 and answer.status not in (409, 429):
            response.headers["Stripe-Should-Retry"] = "false"
    for name, value in answer.headers.items():
        response.headers[name] = value
    return response
