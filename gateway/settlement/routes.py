"""HTTP for what moves orders and payments together."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.http import Api, Caller, Reply
from gateway.merchants.auth import by_secret
from gateway.payments.models import Payment
from gateway.payments.schemas import PaymentCreate, PaymentCreated
from gateway.settlement.create import create

api = Api("settlement", authenticate=by_secret)


@api.write(
    "/payments",
    accepts=PaymentCreate(),
    returns=PaymentCreated(),
    status=201,
    shows_secret=True,
)
def create_payment(tx: Session, caller: Caller, body: dict[str, Any]) -> Reply[Payment]:
    return create(tx, caller, body)
