"""What each endpoint does once its request is known to be well formed. Knows no HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stripe import params as stripe_params
from stripe.params import checkout as checkout_params

from gateway.dev.sandbox import events, listing, sessions
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.errors import invalid, missing_resource, unexpected_state
from gateway.dev.sandbox.store import Object

EVENTS_KEPT_S = 30 * 86400
Values = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """`pattern` is the path below /v1, with `{id}` for an object's id."""

    method: str
    pattern: str
    params: Any
    run: Callable[[Work, str, Values], Object]


def _find(work: Work, kind: str, id: str, *, param: str = "id") -> Object:
    obj = work.tx.get(kind, id)
    if obj is None:
        raise missing_resource(kind, id, param=param)
    return obj


def _create_session(work: Work, _: str, values: Values) -> Object:
    return sessions.create(work, values)


def _read_session(work: Work, id: str, _: Values) -> Object:
    return _find(work, "checkout.session", id, param="session")


def _expire_session(work: Work, id: str, _: Values) -> Object:
    return sessions.expire(work, _find(work, "checkout.session", id, param="session"))


def _list_sessions(work: Work, _: str, values: Values) -> Object:
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


def _read_intent(work: Work, id: str, values: Values) -> Object:
    intent = _find(work, "payment_intent", id, param="intent")
    if values.get("client_secret", intent["client_secret"]) != intent["client_secret"]:
        raise invalid("The client_secret does not belong to this PaymentIntent.")
    return intent


def _list_intents(work: Work, _: str, values: Values) -> Object:
    query = listing.Query("payment_intent")
    if "customer" in values or "customer_account" in values:
        query.where("0")
    return listing.page(work, query, "/v1/payment_intents", values)


def _cancel_intent(work: Work, id: str, values: Values) -> Object:
    """Every intent here belongs to a session, so only an authorised one is cancelled directly."""
    intent = _find(work, "payment_intent", id, param="intent")
    status = intent["status"]
    if status in ("succeeded", "canceled"):
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {status}.", intent
        )
    if status != "requires_capture":
        raise unexpected_state(
            "This PaymentIntent belongs to a Checkout Session; expire the Session instead.", intent
        )
    return sessions.cancel_intent(work, intent, reason=values.get("cancellation_reason"))


def _read_charge(work: Work, id: str, _: Values) -> Object:
    return _find(work, "charge", id, param="charge")


def _list_charges(work: Work, _: str, values: Values) -> Object:
    query = listing.Query("charge")
    query.equals("payment_intent", values.get("payment_intent"))
    if "customer" in values or "transfer_group" in values:
        query.where("0")
    return listing.page(work, query, "/v1/charges", values)


def _read_event(work: Work, id: str, _: Values) -> Object:
    return events.shown(work.tx, _find(work, "event", id))


def _list_events(work: Work, _: str, values: Values) -> Object:
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


# Captures, refunds, disputes and balance transactions will be further lines here.
OPERATIONS = (
    Operation("POST", "checkout/sessions", checkout_params.SessionCreateParams, _create_session),
    Operation("GET", "checkout/sessions", checkout_params.SessionListParams, _list_sessions),
    Operation(
        "GET", "checkout/sessions/{id}", checkout_params.SessionRetrieveParams, _read_session
    ),
    Operation(
        "POST", "checkout/sessions/{id}/expire", checkout_params.SessionExpireParams,
        _expire_session,
    ),
    Operation("GET", "payment_intents", stripe_params.PaymentIntentListParams, _list_intents),
    Operation(
        "GET", "payment_intents/{id}", stripe_params.PaymentIntentRetrieveParams, _read_intent
    ),
    Operation(
        "POST", "payment_intents/{id}/cancel", stripe_params.PaymentIntentCancelParams,
        _cancel_intent,
    ),
    Operation("GET", "charges", stripe_params.ChargeListParams, _list_charges),
    Operation("GET", "charges/{id}", stripe_params.ChargeRetrieveParams, _read_charge),
    Operation("GET", "events", stripe_params.EventListParams, _list_events),
    Operation("GET", "events/{id}", stripe_params.EventRetrieveParams, _read_event),
)  # fmt: skip
