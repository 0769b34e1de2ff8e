"""The API in OpenAPI 3.1, made of what the doors were told. Nothing a door knows is said here.

Routes without a door are described by hand below, in a few words: they are not the merchants'.
"""

import inspect
import re
from importlib.metadata import version
from typing import Any

from apispec import APISpec
from flask import Flask
from werkzeug.routing import Rule

from gateway.kernel.errors import BodyTooLarge, RateLimited, Unavailable
from gateway.kernel.fields import PageQuery
from gateway.kernel.http import PREFIX, Declared
from gateway.openapi import answers
from gateway.openapi.shapes import Plugin
from gateway.processor.webhooks import InvalidSignature, InvalidStripeEvent
from gateway.settings import settings

Json = dict[str, Any]

ABOUT = f"""
Record orders, be paid for them through Stripe Checkout, hear of it by signed callbacks.

Amounts are integers of minor units. Times are RFC 3339 in UTC. Fields and query parameters that
are not described are refused. Lists come newest first, a page at a time: the next one begins with
`starting_after` and the last id of this one; only events come oldest first. Fields may be added to
answers: ignore what is new.

Every error is `application/problem+json`; [each code is explained]({{errors}}). An address that
exists answers other methods with 405 and `Allow`. Everything of a merchant is below `{PREFIX}`.
"""

# In the order in which a merchant needs them; a tag that is not here comes after them.
TAGS = {
    "orders": "What is to be paid for.",
    "inventory": "What there is to sell.",
    "payments": "Attempts to be paid for an order, and what becomes of the money.",
    "checkout": "What a shop's page and its shopper's browser may: no secret is needed.",
    "captures": "Money taken of what was held.",
    "refunds": "Money given back.",
    "disputes": "Money that a bank takes back, or tries to.",
    "webhook-endpoints": "Where changes are told.",
    "webhook-deliveries": "What was told, attempt by attempt.",
    "events": "All that can be told, in order, to be read at any time.",
    "reconciliations": "What was compared with Stripe, and when.",
    "discrepancies": "What differed from it, and what came of that.",
    "merchant": "Whose key it is.",
    "operations": "For whoever runs the gateway, and for Stripe.",
}

SECURITY = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "ApiSecret": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Secret",
        "description": "Sent together with the key, from servers only.",
    },
    "Basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The same pair: the key as user name, the secret as password.",
    },
}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeating a request with its key gives the first answer, for 30 days.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]*$"},
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: hold the answer until the status changes, N seconds at most (20).",
    "schema": {"type": "string"},
}
# What the doors let through; anything else names nothing and is 404.
PATH_VALUE = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^[!-.0-~]*$"}

CHECKS = {
    "description": "`ok`, `degraded` (work is late, none is lost) or `unavailable`, and why.",
    "content": {"application/json": {"schema": {"type": "object", "required": ["status"]}}},
}
REFUSED_NEWS = [InvalidSignature, InvalidStripeEvent, BodyTooLarge, RateLimited, Unavailable]
BY_HAND: dict[str, Json] = {
    "/healthz": {
        "get": {
            "operationId": "healthz",
            "summary": "Is this process up?",
            "tags": ["operations"],
            "security": [],
            "responses": {"200": CHECKS | {"description": "It is."}},
        }
    },
    "/readyz": {
        "get": {
            "operationId": "readyz",
            "summary": "Can this process take payments, and is the whole gateway well?",
            "tags": ["operations"],
            "security": [],
            "responses": {"200": CHECKS, "503": CHECKS},
        }
    },
    "/webhooks/stripe": {
        "post": {
            "operationId": "stripe_webhook",
            "summary": "Take an event from Stripe.",
            "description": "For Stripe alone: the body is verified by `Stripe-Signature`.",
            "tags": ["operations"],
            "security": [],
            "parameters": [
                {"name": "Stripe-Signature", "in": "header", "schema": {"type": "string"}}
            ],
            "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            "responses": answers.in_order(
                {
                    200: {
                        "description": "Stored, now or before.",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {
                                        "received": {"type": "boolean"},
                                        "duplicate": {"type": "boolean"},
                                    },
                                    "required": ["received", "duplicate"],
                                }
                            }
                        },
                    },
                    **answers.problems(REFUSED_NEWS),
                }
            ),
        }
    },
}


def document(app: Flask) -> Json:
    """Everything that `app` answers, by its own word."""
    base = settings().base_url
    plugin = Plugin()
    spec = APISpec(
        title="Payment gateway",
        version=version("payment-gateway"),
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": ABOUT.format(errors=f"{base}/docs/errors").strip()},
        servers=[{"url": base}],
        security=[{"ApiKey": [], "ApiSecret": []}, {"Basic": []}],
        tags=[{"name": name, "description": what} for name, what in TAGS.items()],
    )
    spec.components.schema("Problem", answers.PROBLEM)
    for name, scheme in SECURITY.items():
        spec.components.security_scheme(name, scheme)
    for name, header in answers.HEADERS.items():
        spec.components.header(name, header)
    for rule in app.url_map.iter_rules():
        declared = getattr(app.view_functions[rule.endpoint], "declared", None)
        if declared is not None:
            said = operation(rule, app.view_functions[rule.endpoint], declared, plugin)
            spec.path(path_of(rule), operations={declared.method.lower(): said})
    for path, operations in BY_HAND.items():
        spec.path(path, operations=operations)
    return spec.to_dict()


def path_of(rule: Rule) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def operation(rule: Rule, view: Any, declared: Declared, plugin: Plugin) -> Json:
    summary, _, more = (inspect.getdoc(view) or "").partition("\n")
    said: Json = {
        "operationId": view.__name__,
        "summary": summary.removesuffix("."),
        "tags": [rule.rule.removeprefix(PREFIX).split("/")[1]],
        "parameters": parameters(rule, declared, plugin),
        "responses": answers.of(declared, shape=shape(declared), named=bool(rule.arguments)),
    }
    if declared.public:
        said["security"] = []
    if more.strip():
        said["description"] = more.strip()
    if declared.accepts is not None:
        said["requestBody"] = {
            "required": not optional(declared),
            "content": {"application/json": {"schema": declared.accepts}},
        }
    return said


def optional(declared: Declared) -> bool:
    """Whether an empty body will do, since all of its fields may be left out."""
    assert declared.accepts is not None  # noqa: S101 - asked for routes with a body
    return not any(field.required for field in declared.accepts.fields.values())


def parameters(rule: Rule, declared: Declared, plugin: Plugin) -> list[Json]:
    named = [
        {"name": name, "in": "path", "required": True, "schema": PATH_VALUE}
        for name in sorted(rule.arguments)
    ]
    asked = plugin.query(declared.query) if declared.query is not None else []
    headers = [IDEMPOTENCY_KEY] if declared.method == "POST" else []
    return [*named, *asked, *headers, *([PREFER] if declared.waits else [])]


def shape(declared: Declared) -> Any:
    """What a 2xx answer carries: one resource, or a page of them where pages can be asked for."""
    if not isinstance(declared.query, PageQuery):
        return declared.returns
    return {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": declared.returns},
            "has_more": {"type": "boolean"},
        },
        "required": ["data", "has_more"],
    }
