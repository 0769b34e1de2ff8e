"""What every GET answers: one object by its id, or a page of a filtered list. Changes nothing."""

from collections.abc import Callable
from typing import Any

from gateway.dev.sandbox import balance, events, listing
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.errors import invalid, missing_resource
from gateway.dev.sandbox.store import Object

EVENTS_KEPT_S = 30 * 86400
Values = dict[str, Any]
Run = Callable[[Work, str, Values], Object]


def find(work: Work, kind: str, id: str, *, param: str = "id") -> Object:
    obj = work.tx.get(kind, id)
    if obj is None:
        raise missing_resource(kind, id, param=param)
    return obj


def one(kind: str, *, param: str) -> Run:
    """Reads an object; `param` is what Stripe calls an unknown id in its refusal."""

    def read(work: Work, id: str, _: Values) -> Object:
        return listing.shown(work, find(work, kind, id, param=param))

    return read


def intent(work: Work, id: str, values: Values) -> Object:
    intent = find(work, "payment_intent", id, param="intent")
    if values.get("client_secret", intent["client_secret"]) != intent["client_secret"]:
        raise invalid("The client_secret does not belong to this PaymentIntent.")
    return intent


def sessions(work: Work, _: str, values: Values) -> Object:
    query = listing.Query("checkout.session")
    query.equals("payment_intent", values.get("payment_intent"))
    query.equals("label", values.get("status"))
    for name in ("customer", "customer_account", "payment_link", "subscription"):
        if name in values:  # The sandbox has none of these, so no session can match.
            query.where("0")
    email = (values.get("customer_details") or {}).get("email")
    if email is not None:
        query.where("json_extract(document, '$.customer_details.email') = ?", email)
    return listing.page(work, query, "/v1/checkout/sessions", values)


def intents(work: Work, _: str, values: Values) -> Object:
    query = listing.Query("payment_intent")
    if "customer" in values or "customer_account" in values:
        query.where("0")
    return listing.page(work, query, "/v1/payment_intents", values)


def charges(work: Work, _: str, values: Values) -> Object:
    query = listing.Query("charge")
    query.equals("payment_intent", values.get("payment_intent"))
    if "customer" in values or "transfer_group" in values:
        query.where("0")
    return listing.page(work, query, "/v1/charges", values)


def all_events(work: Work, _: str, values: Values) -> Object:
    query = listing.Query("event")
    query.where("created >= ?", work.now - EVENTS_KEPT_S)
    types = values.get("types")
    if types is not None and "type" in values:
        raise invalid("You may only specify one of these parameters: type, types")
    if types is not None:
        if len(types) > 20:
            raise invalid("At most 20 event types may be given.", param="types")
        query.where(f"label IN ({', '.join('?' * len(types))})", *types)
    if "type" in values:
        query.where("label GLOB ?", values["type"])
    if "delivery_success" in values:
        confirmed = events.ALL_DELIVERED
        query.where(confirmed if values["delivery_success"] else f"NOT {confirmed}")
    return listing.page(work, query, "/v1/events", values)


def of_charges(kind: str, url: str) -> Run:
    """A list of what happened to charges: refunds or disputes."""

    def read(work: Work, _: str, values: Values) -> Object:
        query = listing.Query(kind)
        query.equals("payment_intent", values.get("payment_intent"))
        query.mentions("charge", values.get("charge"))
        return listing.page(work, query, url, values)

    return read


def balance_transactions(work: Work, _: str, values: Values) -> Object:
    query = listing.Query("balance_transaction")
    for name in ("type", "source", "currency"):
        query.mentions(name, values.get(name))
    return listing.page(work, query, "/v1/balance_transactions", values)


def whole_balance(work: Work, _: str, __: Values) -> Object:
    return balance.summary(work)
