"""What an operation may answer: its own 2xx, and problems, each under its status with its codes."""

from collections import defaultdict
from typing import Any

from gateway.kernel.errors import (
    BodyTooLarge,
    HttpError,
    Invalid,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
    Unparsable,
    UnsupportedMediaType,
)
from gateway.kernel.http import Declared
from gateway.kernel.idempotency import IdempotencyKeyInUse, IdempotencyKeyReused
from gateway.merchants.auth import SecretRequired

Json = dict[str, Any]


ALWAYS = (Invalid, RateLimited, Unavailable)
WITH_SECRET = (Unauthenticated, SecretRequired)
WITH_BODY = (Unparsable, HttpError, BodyTooLarge, UnsupportedMediaType)
WITH_KEY = (IdempotencyKeyInUse, IdempotencyKeyReused)
IN_A_WHILE = (IdempotencyKeyInUse.status, RateLimited.status, Unavailable.status)

MEANINGS = {200: "As it is now.", 201: "Made.", 202: "Taken; it happens in a moment."}

REQUEST_ID = {"Request-Id": {"$ref": "#/components/headers/Request-Id"}}
RETRY_AFTER = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
REPLAYED = {"Idempotent-Replayed": {"$ref": "#/components/headers/Idempotent-Replayed"}}

HEADERS = {
    "Request-Id": {
        "description": "The name of this request, for questions about it.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the same request can succeed.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Idempotent-Replayed": {
        "description": "`true` when this is the stored answer to an earlier request.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}

PROBLEM: Json = {
    "type": "object",
    "description": "RFC 9457. `code` is for programs, `detail` says what to do.",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Where `code` is explained."},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What was sent, what is allowed, what to do."},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "What the schema refused, parameter by parameter.",
            "items": {
                "type": "object",
                "properties": {"param": {"type": "string"}, "message": {"type": "string"}},
                "required": ["param", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "examples": [
        {
            "type": "https://pay.example/docs/errors#invalid_request",
            "title": "A parameter was refused.",
            "status": 422,
            "detail": "amount: Must be from 1 to 99999999 minor units.",
            "code": "invalid_request",
            "request_id": "req_01kjn0abcdefghjkmnpqrstvwx",
            "errors": [{"param": "amount", "message": "Must be from 1 to 99999999 minor units."}],
        }
    ],
}


def of(declared: Declared, *, shape: Json, named: bool) -> Json:
    """All answers of a route; `shape` is what its 2xx carry, `named` if its address holds an id."""
    errors = [*ALWAYS, *declared.refuses, *(() if declared.public else WITH_SECRET)]
    errors += [NotFound] if named else []
    errors += WITH_BODY if declared.door == "write" else []
    errors += WITH_KEY if declared.method == "POST" else []
    headers = REQUEST_ID | (REPLAYED if declared.method == "POST" else {})
    headers |= RETRY_AFTER if declared.waits else {}
    found: dict[int, Json] = {}
    for status, meaning in {declared.status: MEANINGS[declared.status], **declared.also}.items():
        found[status] = {
            "description": meaning,
            "headers": headers,
            "content": {"application/json": {"schema": shape}},
        }
    return in_order(found | problems(errors))


def problems(errors: list[Any]) -> dict[int, Json]:
    by_status: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for error in errors:
        by_status[error.status][error.code] = " ".join(str(error.__doc__).split())
    return {
        status: {
            "description": "\n".join(f"- `{code}`: {why}" for code, why in codes.items()),
            "headers": REQUEST_ID | (RETRY_AFTER if status in IN_A_WHILE else {}),
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        for status, codes in by_status.items()
    }


def in_order(answers: dict[int, Json]) -> Json:
    return {str(status): answers[status] for status in sorted(answers)}
