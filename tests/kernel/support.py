"""Rows of every kind, and threads that really meet."""

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from gateway.callbacks.models import Delivery, Endpoint
from gateway.captures import service as captures
from gateway.captures.models import Capture
from gateway.disputes.models import Dispute
from gateway.kernel.db import now, transaction
from gateway.kernel.events import Event, write_recorded
from gateway.kernel.runs import Run
from gateway.orders.models import Order
from gateway.payments.models import Payment
from gateway.processor.types import StripeDispute
from gateway.reconciliation.models import Discrepancy
from gateway.refunds import service as refunds
from gateway.refunds.models import Refund
from gateway.settlement import movements
from gateway.stripe_events.models import StripeEvent

ACTOR = "test:act"


def order(tx: Session, shop: Any, **fields: Any) -> Order:
    return Order.start(tx, **order_fields(shop, **fields))


def order_fields(shop: Any, **fields: Any) -> dict[str, Any]:
    plain = {"reference": None, "currency": "EUR", "amount": 1999, "items": [], "meta": {}}
    mine = {"merchant_id": shop.merchant_id, "livemode": False}
    return plain | mine | fields


def payment(tx: Session, shop: Any, **fields: Any) -> Payment:
    """A pending one that is due now, on an order of its own."""
    own = order(tx, shop)
    plain = {
        "order_id": own.id,
        "attempt": 1,
        "amount": own.amount,
        "currency": own.currency,
        "capture_method": "automatic",
        "meta": {},
        "due_at": now(tx),
    }
    mine = {"merchant_id": shop.merchant_id, "livemode": False}
    return Payment.start(tx, **(plain | mine | fields))


def endpoint(tx: Session, shop: Any) -> Endpoint:
    return Endpoint.start(
        tx,
        merchant_id=shop.merchant_id,
        livemode=False,
        url="https://shop.example/hook",
        events=["*"],
        sealed_secret="sealed",
    )


def delivery(tx: Session, shop: Any) -> Delivery:
    to = endpoint(tx, shop)
    write_recorded(tx)
    event = tx.query(Event).filter_by(subject_id=to.id).one()
    return Delivery.start(
        tx,
        merchant_id=shop.merchant_id,
        livemode=False,
        event_id=event.id,
        event_type=event.type,
        endpoint_id=to.id,
    )


def stripe_event(tx: Session, shop: Any) -> StripeEvent:
    return StripeEvent.start(
        tx, stripe_event_id="evt_stripe_1", type="charge.succeeded", livemode=False, body="{}"
    )


def capture(tx: Session, shop: Any) -> Capture:
    return captures.start(tx, payment(tx, shop), amount=1999)


def refund(tx: Session, shop: Any) -> Refund:
    return refunds.start(tx, payment(tx, shop), amount=1999)


def dispute(tx: Session, shop: Any) -> Dispute:
    disputed = payment(tx, shop)
    movements.apply_disputes(tx, disputed, (StripeDispute("dp_1", "open", 1999, "EUR"),))
    return tx.query(Dispute).filter_by(payment_id=disputed.id).one()


def run(tx: Session, shop: Any) -> Run:
    return Run.start(tx, job="prune")


def discrepancy(tx: Session, shop: Any) -> Discrepancy:
    found = {"kind": "duplicate", "subject": "pi_1", "livemode": False, "reason": "There are two."}
    return Discrepancy.start(tx, run_id=run(tx, shop).id, **found)


ONE_OF_EACH: dict[str, Callable[[Session, Any], Any]] = {
    "order": order,
    "payment": payment,
    "endpoint": endpoint,
    "delivery": delivery,
    "stripe_event": stripe_event,
    "run": run,
    "capture": capture,
    "refund": refund,
    "dispute": dispute,
    "discrepancy": discrepancy,
}


def made(make: Callable[..., Any], *args: Any, **fields: Any) -> Any:
    """A row of `make`, committed."""
    with transaction(actor="test:setup") as tx:
        return make(tx, *args, **fields)


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """`work(0..count-1)` in threads that start together; what each returned or raised."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run_one(number: int) -> None:
        barrier.wait(10)
        try:
            results[number] = work(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run_one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results
