"""A shop with a page of its own, and an order to be paid there."""

from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.kernel import db
from gateway.merchants import service as merchants
from gateway.orders.models import Order, OrderStatus
from gateway.payments.models import Payment, PaymentStatus

ORIGIN = "https://shop.example"


@dataclass
class Page:
    """What a shop's page can do: it knows the publishable key, and sends its origin."""

    client: FlaskClient
    shop: Any
    order: dict[str, Any]
    origin: str | None = ORIGIN

    @property
    def headers(self) -> dict[str, str]:
        return {"Origin": self.origin} if self.origin else {}

    def open(self, *, idempotency_key: str | None = None, **body: Any) -> Any:
        asked = {"key": self.shop.key, "order_id": self.order["id"], "origin": ORIGIN} | body
        headers = self.headers
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return self.client.post("/api/v1/checkout", json=asked, headers=headers)

    def look(self, secret: str, **query: Any) -> Any:
        path = f"/api/v1/checkout/{secret}"
        return self.client.get(path, query_string=query, headers=self.headers)

    def cancel(self, secret: str, token: str) -> Any:
        path = f"/api/v1/checkout/{secret}/cancel"
        return self.client.post(path, json={"cancel_token": token}, headers=self.headers)

    def as_merchant(self, method: str, path: str, **what: Any) -> Any:
        return self.client.open(f"/api/v1{path}", method=method, headers=self.shop.headers, **what)


@pytest.fixture
def page(client, shop) -> Page:
    with db.transaction(actor="test:setup") as tx:
        merchants.change(tx, shop.merchant_id, {"allowed_origins": [ORIGIN]})
    body = {"currency": "EUR", "amount": 4900, "reference": "cart-1"}
    order = client.post("/api/v1/orders", json=body, headers=shop.headers).json
    return Page(client, shop, order)


@pytest.fixture
def move(database):
    """Have a payment be somewhere, as if Stripe had said so."""

    def to(payment_id: str, status: str, **changes: Any) -> None:
        with db.transaction(actor="test:stripe") as tx:
            payment = db.lock(tx, Payment, payment_id)
            payment.transition_to(PaymentStatus(status), **changes)
            if status == "succeeded":
                order = db.lock(tx, Order, payment.order_id)
                order.transition_to(OrderStatus.PAYMENT_DONE, paid_by=payment_id)

    return to
