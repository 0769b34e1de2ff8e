"""A payment in one line, for the scenarios of settlement."""

from collections.abc import Callable
from typing import Any

import pytest


class Buyer:
    """Creates payments as a merchant's server does, and reads them."""

    def __init__(self, client: Any, shop: Any) -> None:
        self.client = client
        self.shop = shop

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.client.post(f"/api/v1/{path}", json=body, headers=self.shop.headers)

    def buy(self, order_id: str = "order-1", **changes: Any) -> dict[str, Any]:
        body = {"order_id": order_id, "amount": 1999, "currency": "EUR"} | changes
        answer = self.post("payments", body)
        assert answer.status_code in (200, 201), answer.json
        return dict(answer.json)

    def read(self, payment_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1/payments/{payment_id}", headers=self.shop.headers)
        return dict(answer.json)

    def order(self, order_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1/orders/{order_id}", headers=self.shop.headers)
        return dict(answer.json)

    def ready(self) -> dict[str, Any]:
        return dict(self.client.get("/readyz").json)


@pytest.fixture
def buyer(client: Any, shop: Any) -> Buyer:
    return Buyer(client, shop)


@pytest.fixture
def opened(buyer: Buyer, stripe: Any, drain: Callable[..., int]) -> Callable[..., dict[str, Any]]:
    """A payment whose hosted page is open."""

    def make(order_id: str = "order-1", **changes: Any) -> dict[str, Any]:
        payment = buyer.buy(order_id, **changes)
        drain()
        return buyer.read(payment["id"])

    return make
