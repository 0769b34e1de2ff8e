"""HTTP of the checkout, for the widget and our own pages: no secret, and only what shoppers may."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.checkout import service
from gateway.checkout.auth import (
    InvalidKey,
    SecretInBrowser,
    by_client_secret,
    by_publishable_key,
    count_address,
)
from gateway.checkout.origins import (
    OriginNotAllowed,
    answer_for_browsers,
    check_allowed,
    check_sent,
)
from gateway.checkout.schemas import (
    CheckoutCancel,
    CheckoutOpen,
    CheckoutOpened,
    CheckoutQuery,
    CheckoutSchema,
)
from gateway.checkout.service import CancelTokenWrong, Checkout, OrderNotFound
from gateway.inventory.service import OutOfStock
from gateway.kernel import limits
from gateway.kernel.http import Api, Caller, Reply
from gateway.settlement.cancel import PaymentNotCancellable
from gateway.settlement.create import OrderAlreadyPaid, OrderCancelled, PaymentInProgress

opening = Api("opening", authenticate=by_publishable_key, count=count_address, public=True)
checkouts = Api("checkouts", authenticate=by_client_secret, count=count_address, public=True)
for _api in (opening, checkouts):
    _api.after_request(answer_for_browsers)


@opening.write(
    "/checkout",
    accepts=CheckoutOpen(),
    returns=CheckoutOpened(),
    status=201,
    also={200: "The order has a live payment: it may be watched and paid, not cancelled."},
    shows_secret=True,
    refuses=(
        InvalidKey,
        SecretInBrowser,
        OriginNotAllowed,
        OrderNotFound,
        OrderAlreadyPaid,
        OrderCancelled,
        PaymentInProgress,
        OutOfStock,
    ),
)
def open_checkout(tx: Session, caller: Caller, body: dict[str, Any]) -> Reply[Checkout]:
    """Open an order for a shopper, from a page.

    `key` is the publishable half of yours; the order must exist, and says how much. `origin` is the
    page's, one of the merchant's `allowed_origins`, as must be that of `return_url`.
    """
    check_allowed(tx, caller, body["origin"], body["return_url"])
    limits.count_opening(f"{caller.merchant_id}:{body['order_id']}")
    return service.opened(tx, caller, body)


@checkouts.read(
    "/checkout/<client_secret>",
    query=CheckoutQuery(),
    returns=CheckoutSchema(),
    waits="version",
    refuses=(OriginNotAllowed,),
)
def read_checkout(
    tx: Session, caller: Caller, query: dict[str, Any], client_secret: str
) -> Checkout:
    """Read how a checkout stands, as its shopper may.

    With `wait` the answer is held until its `version` is another than `seen`.
    """
    check_sent(tx, caller)
    return service.look(tx, caller, client_secret, ask_stripe=query["ask"] == "stripe")


@checkouts.write(
    "/checkout/<client_secret>/cancel",
    accepts=CheckoutCancel(),
    returns=CheckoutSchema(),
    status=202,
    refuses=(OriginNotAllowed, CancelTokenWrong, PaymentNotCancellable),
)
def cancel_checkout(
    tx: Session, caller: Caller, body: dict[str, Any], client_secret: str
) -> Checkout:
    """Give up a checkout that this page has begun.

    It is `cancelled` when Stripe has confirmed that; should the shopper have been quicker, it
    succeeds.
    """
    check_sent(tx, caller)
    return service.cancel(tx, caller, client_secret, body["cancel_token"])
