"""Stripe, in our words: taking held money, letting it go, giving it back.

Raises only `ProcessorError`s; never called in a transaction. What these calls answer is news like
any other: who acts on it asks for the session's present state.
"""

from typing import Any

from gateway.kernel.asking import Request
from gateway.processor.answers import to_refund
from gateway.processor.client import ask, connected, look, refunds_of
from gateway.processor.types import NotThere, StripeRefund


def capture(intent_id: str, request: Request) -> None:
    """Take what `request` says of the money that is held; Stripe lets the rest go.

    Raises `NotThere` when it was looked for first and the money is still held, whole.
    """
    if request.look_first:
        found = look("retrieve intent", lambda: connected().v1.payment_intents.retrieve(intent_id))
        if found.status == "requires_capture":
            raise NotThere(f"Nothing of {intent_id} was captured.")
        return
    params: Any = request.params
    ask(
        "capture intent",
        lambda: connected().v1.payment_intents.capture(
            intent_id, params=params, options={"idempotency_key": request.idempotency_key}
        ),
    )


def void(intent_id: str, *, idempotency_key: str) -> None:
    """Let held money go. `Refused` when none is held any more."""
    ask(
        "cancel intent",
        lambda: connected().v1.payment_intents.cancel(
            intent_id, params={}, options={"idempotency_key": idempotency_key}
        ),
    )


def refund(intent_id: str, request: Request) -> StripeRefund:
    """Give back, or find the refund that an unanswered call has made.

    Raises `NotThere` when it was looked for and does not exist.
    """
    if request.look_first:
        return _find_refund(intent_id, request.row_id)
    params: Any = request.params
    created = ask(
        "create refund",
        lambda: connected().v1.refunds.create(
            params=params, options={"idempotency_key": request.idempotency_key}
        ),
    )
    return to_refund(created)


def _find_refund(intent_id: str, refund_id: str) -> StripeRefund:
    found = [each for each in refunds_of(intent_id) if each.refund_id == refund_id]
    if not found:
        raise NotThere(f"Stripe has no refund for {refund_id}.")
    return found[-1]
