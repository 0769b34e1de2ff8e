"""The endpoints: what each one is called, what it takes, and what it does. Knows no HTTP."""

from dataclasses import dataclass
from typing import Any

from stripe import params as given
from stripe.params import checkout

from gateway.dev.sandbox import captures, disputes, reads, refunds, sessions
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.errors import unexpected_state
from gateway.dev.sandbox.reads import Run, Values, find
from gateway.dev.sandbox.store import Object


@dataclass(frozen=True)
class Operation:
    """`pattern` is the path below /v1, with `{id}` for an object's id."""

    method: str
    pattern: str
    params: Any
    run: Run


def _create_session(work: Work, _: str, values: Values) -> Object:
    return sessions.create(work, values)


def _expire_session(work: Work, id: str, _: Values) -> Object:
    return sessions.expire(work, find(work, "checkout.session", id, param="session"))


def _cancel_intent(work: Work, id: str, values: Values) -> Object:
    """Every intent here belongs to a session, so only an authorised one is cancelled directly."""
    intent = find(work, "payment_intent", id, param="intent")
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


def _capture_intent(work: Work, id: str, values: Values) -> Object:
    return captures.capture(work, find(work, "payment_intent", id, param="intent"), values)


def _create_refund(work: Work, _: str, values: Values) -> Object:
    return refunds.create(work, values)


def _update_refund(work: Work, id: str, values: Values) -> Object:
    return refunds.update(work, find(work, "refund", id), values)


def _cancel_refund(work: Work, id: str, _: Values) -> Object:
    return refunds.cancel(work, find(work, "refund", id))


def _update_dispute(work: Work, id: str, values: Values) -> Object:
    return disputes.update(work, find(work, "dispute", id, param="dispute"), values)


def _close_dispute(work: Work, id: str, _: Values) -> Object:
    return disputes.close(work, find(work, "dispute", id, param="dispute"))


_session = reads.one("checkout.session", param="session")
_charge = reads.one("charge", param="charge")
_event = reads.one("event", param="id")
_refund = reads.one("refund", param="id")
_dispute = reads.one("dispute", param="dispute")
_movement = reads.one("balance_transaction", param="id")
_refunds = reads.of_charges("refund", "/v1/refunds")
_disputes = reads.of_charges("dispute", "/v1/disputes")

OPERATIONS = (
    Operation("POST", "checkout/sessions", checkout.SessionCreateParams, _create_session),
    Operation("GET", "checkout/sessions", checkout.SessionListParams, reads.sessions),
    Operation("GET", "checkout/sessions/{id}", checkout.SessionRetrieveParams, _session),
    Operation(
        "POST", "checkout/sessions/{id}/expire", checkout.SessionExpireParams, _expire_session
    ),
    Operation("GET", "payment_intents", given.PaymentIntentListParams, reads.intents),
    Operation("GET", "payment_intents/{id}", given.PaymentIntentRetrieveParams, reads.intent),
    Operation(
        "POST", "payment_intents/{id}/capture", given.PaymentIntentCaptureParams, _capture_intent
    ),
    Operation(
        "POST", "payment_intents/{id}/cancel", given.PaymentIntentCancelParams, _cancel_intent
    ),
    Operation("GET", "charges", given.ChargeListParams, reads.charges),
    Operation("GET", "charges/{id}", given.ChargeRetrieveParams, _charge),
    Operation("POST", "refunds", given.RefundCreateParams, _create_refund),
    Operation("GET", "refunds", given.RefundListParams, _refunds),
    Operation("GET", "refunds/{id}", given.RefundRetrieveParams, _refund),
    Operation("POST", "refunds/{id}", given.RefundUpdateParams, _update_refund),
    Operation("POST", "refunds/{id}/cancel", given.RefundCancelParams, _cancel_refund),
    Operation("GET", "disputes", given.DisputeListParams, _disputes),
    Operation("GET", "disputes/{id}", given.DisputeRetrieveParams, _dispute),
    Operation("POST", "disputes/{id}", given.DisputeUpdateParams, _update_dispute),
    Operation("POST", "disputes/{id}/close", given.DisputeCloseParams, _close_dispute),
    Operation("GET", "balance", given.BalanceRetrieveParams, reads.whole_balance),
    Operation(
        "GET", "balance_transactions", given.BalanceTransactionListParams,
        reads.balance_transactions,
    ),
    Operation(
        "GET", "balance_transactions/{id}", given.BalanceTransactionRetrieveParams, _movement
    ),
    Operation("GET", "events", given.EventListParams, reads.all_events),
    Operation("GET", "events/{id}", given.EventRetrieveParams, _event),
)  # fmt: skip
