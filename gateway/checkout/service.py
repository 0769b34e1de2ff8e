"""Opening an order for a shopper, what the shopper may see of its payment, and giving it up.

Never believes a browser: what was paid is what Stripe told a worker, how much is the order's.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from gateway.callbacks import service as callbacks
from gateway.kernel.db import now
from gateway.kernel.errors import Forbidden, NotFound
from gateway.kernel.http import Caller, Reply
from gateway.kernel.seal import derive
from gateway.merchants.models import ApiKey
from gateway.orders import service as orders
from gateway.orders.models import Order
from gateway.payments import service as payments
from gateway.payments.models import OPEN, Payment, PaymentStatus
from gateway.payments.schemas import client_secret
from gateway.settings import settings
from gateway.settlement.cancel import cancel_payment
from gateway.settlement.create import begin

S = PaymentStatus

# How long a shopper who has paid waits for the shop to have heard of it, at most.
TELLING = timedelta(seconds=15)
# Between two questions to Stripe that shoppers cause, for one payment.
BETWEEN = timedelta(seconds=3)
SECRET = "_secret_"  # noqa: S105 - between a payment's id and the rest

OUTCOMES = {
    S.PENDING: "open",
    S.REQUIRES_ACTION: "open",
    S.PROCESSING: "pending",
    S.REVIEW: "pending",
    S.AUTHORIZED: "succeeded",
    S.SUCCEEDED: "succeeded",
    S.FAILED: "failed",
    S.EXPIRED: "failed",
    S.REFUNDED: "failed",
    S.CANCELLED: "cancelled",
}
# Why it was not to be, where Stripe has given no reason of its own.
REASONS = {
    S.FAILED: ("payment_declined", "The payment was declined."),
    S.EXPIRED: ("session_expired", "Nobody paid in time."),
    S.REFUNDED: ("payment_refunded", "The payment was given back in full."),
    S.CANCELLED: ("payment_cancelled", "The payment was cancelled."),
}


class OrderNotFound(NotFound):
    """Make the order first, from your server and in the same mode, and hand its id to the page."""

    code, title = "order_not_found", "There is no such order."


class CancelTokenWrong(Forbidden):
    """Only the page that began a payment may cancel it: send the `cancel_token` it was given. Who
    joined it may watch and pay; your server can cancel it at any time.
    """

    code, title = "cancel_token_wrong", "Another page has begun this payment."


@dataclass(frozen=True)
class Checkout:
    """A payment as its shopper sees it."""

    payment: Payment
    outcome: str
    acknowledged: bool
    settled: bool
    result: dict[str, Any] | None
    cancel_token: str | None = None

    @property
    def client_secret(self) -> str:
        return client_secret(self.payment.id)

    @property
    def url(self) -> str:
        return f"{settings().base_url}/pay/{self.client_secret}"

    @property
    def payable_at(self) -> str | None:
        """Stripe's page, as long as it can be paid there."""
        return self.payment.checkout_url if self.payment.status == S.REQUIRES_ACTION else None

    @property
    def certainty(self) -> str:
        return str(self.payment.SCHEMA.dump(self.payment)["certainty"])

    @property
    def failure(self) -> dict[str, str | None] | None:
        """Why it ended, or why the last card was declined while another can be tried."""
        row = self.payment
        ended = S.REFUNDED if self.is_going_back else PaymentStatus(row.status)
        code, message = REASONS.get(ended, (None, None))
        if code is None and row.failure_code is not None:
            code = "payment_declined"
        if code is None or self.outcome in ("succeeded", "pending"):
            return None
        return {"code": code, "message": row.failure_message or message}

    @property
    def is_going_back(self) -> bool:
        """It was paid, and no order is given for it: the money is being refunded."""
        return self.outcome == "failed" and self.payment.status == S.SUCCEEDED

    @property
    def version(self) -> str:
        row = self.payment
        told = (
            str(row.status),
            row.failure_code,
            row.failure_message,
            row.checkout_url,
            self.settled,
        )
        more = (self.acknowledged, row.cancel_requested_at, row.checked_at, row.attempts > 1)
        return hashlib.sha256(repr((told, more)).encode()).hexdigest()[:16]


def opened(tx: Session, caller: Caller, body: dict[str, Any]) -> Reply[Checkout]:
    """201 with a payment begun for the order, 200 with the live one: anybody may pay that."""
    order = orders.hold(tx, caller, body["order_id"])
    if order is None:
        raise OrderNotFound(f"This key's merchant has no order {body['order_id']} in its mode.")
    attempts = payments.hold_all(tx, order)
    live = next((each for each in attempts if each.is_live), None)
    payment = live or begin(tx, order, attempts)
    if live is None or "origin" not in payment.opening:  # who joins changes nothing
        payment.opening = {
            "key_id": payment.opening["key_id"] if live else caller.key_id,
            "origin": body["origin"],
            "mode": body["mode"],
            "return_url": body["return_url"],
        }
    token = None if live else _cancel_token(payment.id)
    return Reply(seen(tx, payment, cancel_token=token), 200 if live else 201)


def seen(tx: Session, payment: Payment, *, cancel_token: str | None = None) -> Checkout:
    outcome = OUTCOMES[PaymentStatus(payment.status)]
    paid = payment.status == S.SUCCEEDED
    if paid and not tx.get_one(Order, payment.order_id).is_given_for(payment.id):
        outcome = "failed"  # a second or a late one: it goes back by itself
    kept = paid and outcome == "succeeded"
    acknowledged = kept and callbacks.is_told(tx, payment.order_id, "order.payment_done")
    telling = paid and not acknowledged and now(tx) < payment.updated_at + TELLING
    return Checkout(
        payment=payment,
        outcome=outcome,
        acknowledged=acknowledged,
        settled=outcome != "open" and not telling,
        result=_result(tx, payment) if outcome in ("succeeded", "pending") else None,
        cancel_token=cancel_token,
    )


def look(tx: Session, caller: Caller, secret: str, *, ask_stripe: bool) -> Checkout:
    payment = payments.get(tx, caller, payment_of(secret))
    if ask_stripe:
        have_asked(tx, payment)
    return seen(tx, payment)


def have_asked(tx: Session, payment: Payment) -> None:
    """The shopper is back and no news has come: a worker looks at Stripe, not more than now and
    then for one payment.
    """
    if payment.status not in OPEN or payment.stripe_session_id is None:
        return
    if payment.attempts > 1:  # Stripe does not answer: it is asked again in its own time
        return
    soon = max(now(tx), (payment.checked_at or now(tx)) + BETWEEN)
    if payment.due_at is None or payment.due_at > soon:
        payments.make_due_by(tx, payment.id, soon)


def cancel(tx: Session, caller: Caller, secret: str, token: str) -> Checkout:
    payment_id = payment_of(secret)
    if not hmac.compare_digest(token, _cancel_token(payment_id)):
        raise CancelTokenWrong(f"The cancel_token is not the one of {payment_id}.")
    return seen(tx, cancel_payment(tx, caller, payment_id).resource)


def payment_of(secret: str) -> str:
    """The payment that a client secret names; whether it may be believed is another question."""
    return secret.partition(SECRET)[0]


def _cancel_token(payment_id: str) -> str:
    return derive("cancel-token", payment_id).hex()


def _result(tx: Session, payment: Payment) -> dict[str, Any]:
    """What the shopper carries back, with the signature that the shop's server can verify."""
    figures = (payment.order_id, payment.id, payment.status, payment.amount, payment.currency)
    names = ("order_id", "payment_id", "status", "amount", "currency")
    key = tx.get(ApiKey, payment.opening.get("key_id", ""))
    signing = key.result_key if key is not None else None
    signed = hmac.new(signing, "|".join(map(str, figures)).encode(), "sha256") if signing else None
    return dict(zip(names, figures, strict=True)) | {
        "signature": signed.hexdigest() if signed else None
    }
