"""HTTP for what moves orders and payments together."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.captures.service import CapturePending
from gateway.inventory.service import OutOfStock
from gateway.kernel.errors import NotFound
from gateway.kernel.http import Api, Caller, Reply
from gateway.merchants.auth import by_secret
from gateway.orders.models import Order
from gateway.orders.schemas import OrderCancel, OrderSchema
from gateway.payments.models import Payment
from gateway.payments.schemas import PaymentCreate, PaymentCreated, PaymentSchema
from gateway.settlement.cancel import PaymentNotCancellable, cancel_order, cancel_payment
from gateway.settlement.create import (
    OrderAlreadyPaid,
    OrderAmountMismatch,
    OrderCancelled,
    PaymentInProgress,
    create,
)
from gateway.settlement.retry import PaymentNotRetryable, retry

api = Api("settlement", authenticate=by_secret)


@api.write(
    "/payments",
    accepts=PaymentCreate(),
    returns=PaymentCreated(),
    status=201,
    also={200: "It was there already, with the same parameters."},
    shows_secret=True,
    refuses=(
        NotFound,
        OrderAlreadyPaid,
        OrderCancelled,
        OrderAmountMismatch,
        PaymentInProgress,
        OutOfStock,
    ),
)
def create_payment(tx: Session, caller: Caller, body: dict[str, Any]) -> Reply[Payment]:
    """Begin to be paid for an order.

    `order_id` is an order's id or your reference; a reference never seen, with amount and currency,
    makes an order. The payment is `pending`: read it until it has a `checkout_url`. An order has
    one live payment; the same parameters again answer 200 with it.
    """
    return create(tx, caller, body)


@api.write(
    "/payments/<payment_id>/cancel",
    returns=PaymentSchema(),
    status=202,
    also={200: "It was cancelled already."},
    refuses=(NotFound, PaymentNotCancellable, CapturePending),
)
def cancel_one_payment(
    tx: Session, caller: Caller, _: dict[str, Any], payment_id: str
) -> Reply[Payment]:
    """Cancel a payment that has not ended.

    Its page is closed and held money is let go. It is `cancelled` when Stripe has confirmed that;
    should the shopper have been quicker, it succeeds. Cancelled already: 200.
    """
    return cancel_payment(tx, caller, payment_id)


@api.write(
    "/payments/<payment_id>/retry",
    returns=PaymentCreated(),
    status=201,
    shows_secret=True,
    refuses=(NotFound, PaymentNotRetryable, OutOfStock),
)
def retry_payment(tx: Session, caller: Caller, _: dict[str, Any], payment_id: str) -> Payment:
    """Make the next attempt to be paid for the payment's order.

    After a payment that ended without money it begins at once. In place of one that can still be
    paid it begins when that has ended; if that is paid after all, the new one is cancelled.
    """
    return retry(tx, caller, payment_id)


@api.write(
    "/orders/<name>/cancel",
    accepts=OrderCancel(),
    returns=OrderSchema(),
    status=202,
    also={200: "It was cancelled already."},
    refuses=(NotFound, CapturePending),
)
def cancel_one_order(tx: Session, caller: Caller, body: dict[str, Any], name: str) -> Reply[Order]:
    """Cancel an order, in any state.

    Unpaid it ends now, and its pieces are free. While it is being paid its payment is cancelled
    first, and given back if it succeeds. Paid it is cancelled now and the money is on its way back:
    listen to `refund.failed`. Cancelled already: 200.
    """
    return cancel_order(tx, caller, name, **body)
