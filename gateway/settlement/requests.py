"""What is asked of Stripe for a payment, from its row and its order."""

from sqlalchemy.orm import Session

from gateway.kernel.errors import NotFound
from gateway.orders.models import Order
from gateway.payments import service as payments
from gateway.payments.models import Payment
from gateway.processor.client import session_params
from gateway.processor.types import SessionRequest
from gateway.settings import settings


def session_request(tx: Session, payment: Payment) -> SessionRequest:
    """The same question on every try: what was asked once is kept in the row."""
    if payment.session_params is not None:
        return payments.session_request(tx, payment, payment.session_params)
    order = tx.get(Order, payment.order_id)
    if order is None:
        raise NotFound(f"There is no order {payment.order_id}.")
    back = f"{settings().base_url}/pay/return"
    params = session_params(
        payment_id=payment.id,
        lines=_lines(order),
        currency=payment.currency,
        success_url=payment.return_url or f"{back}?outcome=paid",
        cancel_url=payment.return_url or f"{back}?outcome=cancelled",
        method=payment.method,
        vpa=payment.vpa,
        manual_capture=payment.capture_method == "manual",
        customer_email=order.customer_email,
    )
    return payments.session_request(tx, payment, params)


def _lines(order: Order) -> list[tuple[str, int, int]]:
    if not order.items:
        return [(f"Order {order.reference or order.id}", order.amount, 1)]
    return [(item["name"], item["unit_amount"], item["quantity"]) for item in order.items]
