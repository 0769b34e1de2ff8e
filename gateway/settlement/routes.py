"""HTTP for what moves orders and payments together."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.errors import NotFound
from gateway.kernel.http import Api, Caller, Reply
from gateway.merchants.auth import by_secret
from gateway.payments.models import Payment
from gateway.payments.schemas import PaymentCreate, PaymentCreated
from gateway.settlement.create import (
    OrderAlreadyPaid,
    OrderAmountMismatch,
    OrderCancelled,
    PaymentInProgress,
    create,
)

api = Api("settlement", authenticate=by_secret)


@api.write(
    "/payments",
    accepts=PaymentCreate(),
    returns=PaymentCreated(),
    status=201,
    also=(200,),
    shows_secret=True,
    refuses=(
        NotFound,
        OrderAlreadyPaid,
        OrderCancelled,
        OrderAmountMismatch,
        PaymentInProgress,
    ),
)
def create_payment(tx: Session, caller: Caller, body: dict[str, Any]) -> Reply[Payment]:
    """Begin to be paid for an order.

    `order_id` is an order's id or your reference; a reference never seen, with amount and currency,
    makes an order. The payment is `pending`: read it until it has a `checkout_url`. An order has
    one live payment; the same parameters again answer 200 with it.
    """
    return create(tx, caller, body)
