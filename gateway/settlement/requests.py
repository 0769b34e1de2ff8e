"""What is asked of Stripe, from the rows. Frozen in the row that asks, before the first call."""

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from gateway.captures.models import Capture, CaptureStatus
from gateway.kernel.asking import Request
from gateway.kernel.db import now
from gateway.kernel.due import Claim, is_ours, settle
from gateway.orders.models import Order
from gateway.payments.models import ENDED, OPEN, Payment, PaymentStatus, Resolution
from gateway.payments.schemas import client_secret
from gateway.processor.client import session_params
from gateway.refunds.models import Refund, RefundStatus
from gateway.settings import settings
from gateway.settlement.holding import below, family, settle_below

S = PaymentStatus
_SECRET = "<client_secret>"  # noqa: S105 - what stands for it in the row
SUPERSEDABLE = (S.PENDING, S.REQUIRES_ACTION)  # another attempt may take its place
# Stripe takes no other words for why (docs.stripe.com/api/refunds/create, reason).
STRIPE_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


class Intentions(NamedTuple):
    """What is to be done to a session or its money before its state counts."""

    expire: bool
    void: bool


def session_request(tx: Session, claimed: Claim[Payment]) -> Request | None:
    """The same question on every try; None if nobody is to pay this payment now.

    Read under the order's lock: what is asked for here can be paid as soon as Stripe has it.
    """
    order, payment, every = family(tx, claimed.row.id, order_id=claimed.row.order_id)
    if not is_ours(payment, claimed):
        return None
    others = any(each.status in OPEN for each in every if each is not payment)
    if payment.status != S.PENDING or (payment.is_unasked and others):
        settle(tx, payment, claimed, due_in=None)
        return None
    request = payment.request(tx, payment.request_params or _session_params(order, payment))
    return replace(request, params=_with_secret(request.params, payment))


def _with_secret(params: dict[str, Any], payment: Payment) -> dict[str, Any]:
    """The client secret leads back to us; it is derived on the way out and never stored."""
    urls = ("success_url", "cancel_url")
    secret = client_secret(payment.id)
    return params | {url: params[url].replace(_SECRET, secret) for url in urls}


def _session_params(order: Order, payment: Payment) -> dict[str, Any]:
    back = f"{settings().base_url}/pay/{_SECRET}/return"
    return session_params(
        payment_id=payment.id,
        lines=_lines(order),
        currency=payment.currency,
        success_url=back,
        cancel_url=back,
        method=payment.method,
        vpa=payment.vpa,
        manual_capture=payment.capture_method == "manual",
        customer_email=order.customer_email,
    )


def _lines(order: Order) -> list[tuple[str, int, int]]:
    if not order.items:
        return [(f"Order {order.reference or order.id}", order.amount, 1)]
    return [(item["name"], item["unit_amount"], item["quantity"]) for item in order.items]


def is_unwanted(payment: Payment) -> bool:
    """Whether its money is to be let go, should any be held."""
    wished = payment.cancel_requested_at is not None or payment.resolution == Resolution.REFUND
    return wished or payment.status in ENDED


def is_late(payment: Payment, *, at: datetime) -> bool:
    """Whether nobody may pay it any more."""
    return payment.expire_at is not None and payment.expire_at <= at


def intentions(tx: Session, claimed: Claim[Payment]) -> Intentions:
    """Money of a payment that has ended, or that is to end, is not kept on hold. One whose place
    another waits for goes on if the shopper has authorised it.
    """
    _, payment, every = family(tx, claimed.row.id, order_id=claimed.row.order_id)
    wished = payment.cancel_requested_at is not None
    may_win = payment.status in SUPERSEDABLE
    followed = may_win and any(each.is_unasked for each in every if each is not payment)
    rejected = payment.status == S.REVIEW and payment.resolution == Resolution.REFUND
    return Intentions(
        expire=is_unwanted(payment) or is_late(payment, at=now(tx)),
        void=(wished and not followed) or rejected or payment.status in ENDED,
    )


def capture_request(tx: Session, claimed: Claim[Capture]) -> tuple[str, Request] | None:
    """The intent and the question; None if there is nothing to be asked."""
    _, payment, capture = below(tx, claimed)
    if not is_ours(capture, claimed):
        return None
    held = payment.status == S.AUTHORIZED and not is_unwanted(payment)
    if capture.status == CaptureStatus.PENDING and capture.requested_at is None and not held:
        capture.transition_to(
            CaptureStatus.FAILED,
            failure_code="payment_not_capturable",
            failure_message=f"The payment is {payment.status}, or is being cancelled.",
        )
    if capture.status != CaptureStatus.PENDING or payment.stripe_intent_id is None:
        settle_below(tx, capture, claimed)
        return None
    params = {"amount_to_capture": capture.amount}
    return payment.stripe_intent_id, capture.request(tx, capture.request_params or params)


def refund_request(tx: Session, claimed: Claim[Refund]) -> tuple[str, Request] | None:
    """The intent and the question; None if there is nothing to be asked."""
    _, payment, refund = below(tx, claimed)
    if not is_ours(refund, claimed):
        return None
    asked = refund.status != RefundStatus.PENDING or refund.stripe_refund_id is not None
    if asked or payment.stripe_intent_id is None:
        settle_below(tx, refund, claimed)
        return None
    params: dict[str, Any] = {
        "payment_intent": payment.stripe_intent_id,
        "amount": refund.amount,
        "metadata": {"payment_id": payment.id, "refund_id": refund.id},
    }
    if refund.reason in STRIPE_REASONS:
        params["reason"] = refund.reason
    return payment.stripe_intent_id, refund.request(tx, refund.request_params or params)
