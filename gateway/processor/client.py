"""Stripe, in our words: the connection, and Checkout Sessions.

One client and one connection pool per process, explicit timeouts, telemetry off. Every POST
carries an idempotency key of ours. Raises only `ProcessorError`s; never called in a transaction.
Sources: docs.stripe.com/api (idempotent requests, errors), API version below.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import requests
import stripe
from requests.adapters import HTTPAdapter

from gateway.kernel.asking import Request
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import assert_no_transaction
from gateway.processor import pace
from gateway.processor.answers import to_dispute, to_refund, to_session
from gateway.processor.types import (
    CheckoutSession,
    Misconfigured,
    NotThere,
    ProcessorError,
    Refused,
    Replayed,
    StripeDispute,
    StripeRefund,
    Unanswered,
)
from gateway.settings import settings

API_VERSION = "2026-10-28.endive"
CONNECT_TIMEOUT = 3.0
POOL_SIZE = 16  # connections kept; as many threads as a worker process is likely to have
NETWORK_RETRIES = 1  # the quick net; the slow one is the row's due time
# One call tells everything about a payment, but for disputes and more than ten refunds.
EXPAND_INTENT = ["payment_intent.latest_charge.refunds"]
# Stripe's clock and ours may differ a little when a session is looked up by its birth.
CLOCK_SKEW = timedelta(minutes=5)

T = TypeVar("T")


@cache
def connected() -> stripe.StripeClient:
    stripe.enable_telemetry = False
    session = requests.Session()
    pool = HTTPAdapter(pool_connections=1, pool_maxsize=POOL_SIZE)
    session.mount("https://", pool)
    session.mount("http://", pool)
    return stripe.StripeClient(
        settings().stripe_secret_key,
        stripe_version=API_VERSION,
        base_addresses={"api": settings().stripe_api_base},
        max_network_retries=NETWORK_RETRIES,
        # The session is given, not made per thread: threads share its connections.
        http_client=stripe.RequestsClient(
            timeout=(CONNECT_TIMEOUT, settings().stripe_timeout),
            session=session,
        ),
    )


def session_params(
    *,
    payment_id: str,
    lines: list[tuple[str, int, int]],
    currency: str,
    success_url: str,
    cancel_url: str,
    method: str | None = None,
    vpa: str | None = None,
    manual_capture: bool = False,
    customer_email: str | None = None,
) -> dict[str, Any]:
    """Stripe's parameters for a hosted page. `lines` are (name, unit amount, quantity).

    No `expires_at`: it would differ between tries, and Stripe's own limit of a day suits us.
    """
    metadata = {"payment_id": payment_id}
    params: dict[str, Any] = {
        "mode": "payment",
        "ui_mode": "hosted_page",
        "client_reference_id": payment_id,
        "line_items": [_line(currency, *line) for line in lines],
        # Stripe does not copy a session's metadata to its intent.
        "metadata": metadata | ({"vpa": vpa} if vpa else {}),
        "payment_intent_data": {
            "metadata": metadata,
            "capture_method": "manual" if manual_capture else "automatic_async",
        },
        "success_url": success_url,
        "cancel_url": cancel_url,
    }
    if method is not None:
        params["allowed_payment_method_types"] = [method]
    if customer_email is not None:
        params["customer_email"] = customer_email
    return params


def _line(currency: str, name: str, unit_amount: int, quantity: int) -> dict[str, Any]:
    price = {
        "currency": currency.lower(),
        "unit_amount": unit_amount,
        "product_data": {"name": name},
    }
    return {"quantity": quantity, "price_data": price}


def open_session(request: Request) -> CheckoutSession:
    """Create the session, or find the one that an unanswered call has made.

    Raises `NotThere` when it was looked for and does not exist.
    """
    if request.look_first:
        found = find_session(payment_id=request.row_id, asked_at=request.asked_at)
        if found is None:
            raise NotThere(f"Stripe has no session for {request.row_id}.")
        return found
    created = ask(
        "create session",
        lambda: connected().v1.checkout.sessions.create(
            params=request.params,  # type: ignore[arg-type]
            options={"idempotency_key": request.idempotency_key},
        ),
    )
    return to_session(created)


def find_session(*, payment_id: str, asked_at: datetime) -> CheckoutSession | None:
    """The session that carries this payment's id, among those made since it was asked for."""
    since = int((asked_at - CLOCK_SKEW).timestamp())

    def search() -> stripe.checkout.Session | None:
        listed = connected().v1.checkout.sessions.list(
            params={"created": {"gte": since}, "limit": 100, "expand": ["data.payment_intent"]}
        )
        pages = listed.auto_paging_iter()
        return next((each for each in pages if each.client_reference_id == payment_id), None)

    found = look("list sessions", search)
    return None if found is None else to_session(found)


def fetch_session(session_id: str) -> CheckoutSession:
    """The present state of a session, its intent, refunds and disputes: in one call, mostly."""
    found = ask(
        "retrieve session",
        lambda: connected().v1.checkout.sessions.retrieve(
            session_id, params={"expand": list(EXPAND_INTENT)}
        ),
    )
    session = to_session(found)
    intent, charge = session.intent, getattr(found.payment_intent, "latest_charge", None)
    if intent is None or not isinstance(charge, stripe.Charge):
        return session
    if charge.refunds is not None and charge.refunds.has_more:
        intent = replace(intent, refunds=refunds_of(intent.id))
    if charge.disputed:
        intent = replace(intent, disputes=_disputes_of(intent.id))
    return replace(session, intent=replace(intent, is_partial=False))


def refunds_of(intent_id: str) -> tuple[StripeRefund, ...]:
    """All of them, oldest first."""

    def every() -> list[stripe.Refund]:
        params: Any = {"payment_intent": intent_id, "limit": 100}
        return list(connected().v1.refunds.list(params=params).auto_paging_iter())

    return tuple(to_refund(each) for each in reversed(look("list refunds", every)))


def _disputes_of(intent_id: str) -> tuple[StripeDispute, ...]:
    def every() -> list[stripe.Dispute]:
        params: Any = {"payment_intent": intent_id, "limit": 100}
        return list(connected().v1.disputes.list(params=params).auto_paging_iter())

    return tuple(to_dispute(each) for each in reversed(look("list disputes", every)))


def expire_session(session_id: str, *, idempotency_key: str) -> CheckoutSession:
    """End an open session, so that nobody can pay it. `Refused` when it is not open any more."""
    return to_session(
        ask(
            "expire session",
            lambda: connected().v1.checkout.sessions.expire(
                session_id,
                params={"expand": ["payment_intent"]},
                options={"idempotency_key": idempotency_key},
            ),
        )
    )


def ask(what: str, call: Callable[[], T]) -> T:
    """Call Stripe; say of an error only what it proves."""
    assert_no_transaction()
    crashpoint(f"stripe {what} before")
    try:
        answer = call()
    except stripe.StripeError as error:
        crashpoint(f"stripe {what} failed")
        if _asked_too_often(error):
            pace.hold_back()
        raise _translated(what, error) from None
    crashpoint(f"stripe {what} after")
    return answer


def look(what: str, call: Callable[[], T]) -> T:
    """As `ask`, for a search: to be refused says nothing about what is looked for."""
    try:
        return ask(what, call)
    except Refused as refusal:
        raise Unanswered(f"{what}: refused", str(refusal)) from None


def _asked_too_often(error: stripe.StripeError) -> bool:
    """A lock at Stripe is 429 as well, and about one object: only its row tries again later."""
    code = getattr(error.error, "code", None)
    return error.http_status == 429 and code != "lock_timeout"


def _translated(what: str, error: stripe.StripeError) -> ProcessorError:
    status = error.http_status
    said = str(error.user_message or type(error).__name__)
    if isinstance(error, stripe.IdempotencyError):
        return Replayed(f"{what}: the key was used with other parameters", said)
    if status in (401, 403):
        return Misconfigured(f"{what}: Stripe refuses the gateway's own key (HTTP {status})", said)
    if status is None:
        return Unanswered(f"{what}: Stripe did not answer", said)
    if status in (409, 429) or status >= 500:
        replayed = (error.headers or {}).get("Idempotent-Replayed") == "true"
        kind = Replayed if replayed and status >= 500 else Unanswered
        return kind(f"{what}: Stripe answered HTTP {status}", said)
    if not isinstance(error, stripe.InvalidRequestError | stripe.CardError):
        return Unanswered(f"{what}: the answer (HTTP {status}) is not Stripe's", said)
    return Refused(code=error.code or f"http_{status}", message=said)
