"""HTTP for refunds."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.errors import NotFound
from gateway.kernel.fields import PageQuery
from gateway.kernel.http import Api, Caller
from gateway.kernel.owned import own
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret
from gateway.refunds import service
from gateway.refunds.models import Refund
from gateway.refunds.schemas import RefundCreate, RefundSchema

api = Api("refunds", authenticate=by_secret)


@api.write(
    "/payments/<payment_id>/refunds",
    accepts=RefundCreate(),
    returns=RefundSchema(),
    status=201,
    refuses=(NotFound, service.PaymentNotRefundable, service.RefundExceedsCaptured),
)
def create_refund(tx: Session, caller: Caller, body: dict[str, Any], payment_id: str) -> Refund:
    """Give money back: all that is left of a payment, or a part of it.

    It is `pending` until Stripe has done it, and may fail days after it has succeeded: listen to
    `refund.failed`. The order stays as it is; to take back a sale cancel the order.
    """
    return service.create(tx, caller, payment_id, **body)


@api.read("/payments/<payment_id>/refunds", query=PageQuery(), returns=RefundSchema())
def list_refunds(tx: Session, caller: Caller, query: dict[str, Any], payment_id: str) -> Page:
    """List the refunds of a payment, newest first.

    Those made in Stripe's dashboard are among them.
    """
    return service.listed(tx, caller, payment_id, query)


@api.read("/refunds/<refund_id>", returns=RefundSchema())
def read_refund(tx: Session, caller: Caller, refund_id: str) -> Refund:
    """Read a refund."""
    return own(tx, caller, Refund, refund_id)
