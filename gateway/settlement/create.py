"""Begin to be paid for an order. One live payment per order, with or without Idempotency-Key."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.inventory import service as inventory
from gateway.kernel.db import now
from gateway.kernel.errors import Conflict, FieldError, Invalid, NotFound
from gateway.kernel.http import Caller, Reply
from gateway.kernel.ids import is_id
from gateway.orders import service as orders
from gateway.orders.models import PAID, Order, OrderStatus
from gateway.payments import service as payments
from gateway.payments.models import OPEN, Payment, PaymentStatus
from gateway.payments.schemas import CURRENCY_OF
from gateway.settlement.requests import SUPERSEDABLE


class OrderAlreadyPaid(Conflict):
    """Nobody is charged twice: make a new order for a new sale."""

    code, title = "order_already_paid", "The order is paid."


class OrderCancelled(Conflict):
    """A cancelled order stays cancelled: make a new one."""

    code, title = "order_cancelled", "The order is cancelled."


class PaymentInProgress(Conflict):
    """An order has one live payment at a time. Let it end, or send the same parameters again."""

    code, title = "payment_in_progress", "The order is being paid with other parameters."


class OrderAmountMismatch(Conflict):
    """Leave amount and currency out, or send the order's."""

    code, title = "order_amount_mismatch", "The amount is not the order's."


def create(tx: Session, caller: Caller, body: dict[str, Any]) -> Reply[Payment]:
    """201 with a new payment, due now; 200 with the live one if it has the same parameters."""
    order, attempts = _order(tx, caller, body)
    live = next((each for each in attempts if each.is_live), None)
    if live is not None:
        if not _differing(live, order, body):
            return Reply(live, 200)
        differ = ", ".join(_differing(live, order, body))
        raise PaymentInProgress(
            f"Payment {live.id} is {live.status} with another {differ}. Repeat its parameters, wait"
            f" until it has ended, or POST /payments/{live.id}/retry or /cancel."
        )
    check_payable(order, attempts)
    _check_asked(order, body)
    names = ("method", "vpa", "capture_method", "return_url")
    asked = {name: body[name] for name in names}
    asked |= {"meta": body["metadata"], "opening": {"key_id": caller.key_id}}
    return Reply(attempt(tx, order, attempts, **asked), 201)


def begin(tx: Session, order: Order, attempts: list[Payment]) -> Payment:
    """The order's first payment with nothing special, or another like the last that failed.

    The order is held, and none of its `attempts` can be paid.
    """
    check_payable(order, attempts)
    last = max(attempts, key=lambda each: each.attempt, default=None)
    return attempt(tx, order, attempts, **(like(last) if last else _PLAIN))


_PLAIN: dict[str, Any] = {"capture_method": "automatic", "meta": {}, "opening": {}}


def like(payment: Payment) -> dict[str, Any]:
    """What was asked of a payment, for the one that follows it."""
    names = ("method", "vpa", "capture_method", "return_url", "meta", "opening")
    return {name: getattr(payment, name) for name in names}


def _order(tx: Session, caller: Caller, body: dict[str, Any]) -> tuple[Order, list[Payment]]:
    """The order that is meant, held, with its payments; one is made for a reference never seen."""
    order = orders.hold(tx, caller, body["order_id"])
    if order is None:
        order = _implicit(tx, caller, body)
        if order is not None:
            return order, []
        order = orders.hold(tx, caller, body["order_id"])  # it was made a moment ago
    assert order is not None  # noqa: S101 - orders are never deleted
    return order, list(tx.scalars(select(Payment).filter_by(order_id=order.id)))


def _implicit(tx: Session, caller: Caller, body: dict[str, Any]) -> Order | None:
    """An order without items; None if another request has just made one of that reference."""
    name = body["order_id"]
    if is_id(name):
        raise NotFound(f"There is no order {name}.")
    missing = [field for field in ("amount", "currency") if body[field] is None]
    if missing:
        why = f"Required, since there is no order {name!r} to take it from."
        errors = tuple(FieldError(field, why) for field in missing)
        raise Invalid("; ".join(f"{each.param}: {each.message}" for each in errors), errors=errors)
    implicit = {
        "reference": name,
        "currency": body["currency"],
        "amount": body["amount"],
        "items": [],
        "customer_email": None,
        "metadata": {},
    }
    return orders.begin(tx, caller, implicit)


def _differing(payment: Payment, order: Order, body: dict[str, Any]) -> list[str]:
    """The parameters of the request that are not the payment's."""
    asked = body | {
        "amount": body["amount"] or order.amount,
        "currency": body["currency"] or order.currency,
    }
    names = ("amount", "currency", "method", "vpa", "capture_method", "return_url")
    known = {name: getattr(payment, name) for name in names} | {"metadata": payment.meta}
    return [name for name, value in known.items() if asked[name] != value]


def check_payable(order: Order, attempts: list[Payment]) -> None:
    if order.status in PAID:
        raise OrderAlreadyPaid(
            f"Order {order.id} is {order.status}. Make a new order to sell more."
        )
    if order.status == OrderStatus.CANCELLED:
        raise OrderCancelled(f"Order {order.id} is cancelled. Make a new order.")
    first = next((each for each in attempts if each.status in OPEN), None)
    if first is not None:
        raise PaymentInProgress(f"Payment {first.id} of order {order.id} is {_ending(first)}.")


def _check_asked(order: Order, body: dict[str, Any]) -> None:
    asked = (body["amount"] or order.amount, body["currency"] or order.currency)
    if asked != (order.amount, order.currency):
        raise OrderAmountMismatch(
            f"Sent {asked[0]} {asked[1]}; order {order.id} is over {order.amount} {order.currency}."
        )
    only = CURRENCY_OF.get(body["method"])
    if only not in (None, order.currency):
        why = f"{body['method']} takes {only} only; the order is in {order.currency}."
        raise Invalid.param("method", why)


def _ending(payment: Payment) -> str:
    """What has to happen to a payment that is not at an end before the next can be made."""
    if payment.status == PaymentStatus.REVIEW:
        return "under review: an operator has to decide about it"
    if payment.status in SUPERSEDABLE:
        return f"being cancelled; POST /payments/{payment.id}/retry makes the one that follows it"
    return f"{payment.status} and is being cancelled: wait until it has ended"


def attempt(tx: Session, order: Order, before: list[Payment], **asked: Any) -> Payment:
    """The order's next payment: due now, or when those before it have ended."""
    waits = any(each.status in OPEN for each in before)
    payment = Payment.start(
        tx,
        merchant_id=order.merchant_id,
        livemode=order.livemode,
        order_id=order.id,
        order_reference=order.reference,
        attempt=max((each.attempt for each in before), default=0) + 1,
        amount=order.amount,
        currency=order.currency,
        due_at=None if waits else now(tx),
        expire_at=None if waits else payments.expiry(tx),
        **asked,
    )
    released = order.status == OrderStatus.PAYMENT_FAILED
    if order.status != OrderStatus.PAYMENT_IN_PROGRESS:
        order.transition_to(OrderStatus.PAYMENT_IN_PROGRESS)
    if released:
        inventory.reserve(tx, order)
    return payment
