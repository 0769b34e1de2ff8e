"""HTTP for reading payments; what makes and moves them is settlement's."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.http import Api, Caller
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret
from gateway.payments import service
from gateway.payments.models import Payment
from gateway.payments.schemas import PaymentQuery, PaymentSchema

api = Api("payments", authenticate=by_secret)


@api.read("/payments", query=PaymentQuery(), returns=PaymentSchema())
def list_payments(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """List payments, newest first.

    `order_id` is an order's id or your reference.
    """
    return service.listed(tx, caller, query)


@api.read("/payments/<payment_id>", returns=PaymentSchema(), waits="status")
def read_payment(tx: Session, caller: Caller, payment_id: str) -> Payment:
    """Read a payment.

    With `Prefer: wait=N` the answer is held until the status changes, N seconds at most.
    """
    return service.get(tx, caller, payment_id)
