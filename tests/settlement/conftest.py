"""A payment in one line, for the scenarios of settlement."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.kernel.db import transaction
from gateway.payments.service import make_due

TEA = {"sku": "tea", "name": "Tea", "quantity": 1, "unit_amount": 1999}


class Buyer:
    """Does what a merchant's server does, and reads what came of it."""

    def __init__(self, client: Any, shop: Any) -> None:
        self.client = client
        self.shop = shop

    def post(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        url = f"/api/v1/{path}"
        return self.client.open(url, method=method, json=body, headers=self.shop.headers)

    def made(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        """As `post`, and it has to be taken."""
        answer = self.post(path, body, method)
        assert answer.status_code in (200, 201, 202), answer.json
        return answer.json

    def buy(self, order_id: str = "order-1", **changes: Any) -> dict[str, Any]:
        body = {"order_id": order_id, "amount": 1999, "currency": "EUR"} | changes
        return dict(self.made("payments", body))

    def get(self, path: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1/{path}", headers=self.shop.headers)
        assert answer.status_code == 200, answer.json
        return dict(answer.json)

    def read(self, payment_id: str) -> dict[str, Any]:
        return self.get(f"payments/{payment_id}")

    def order(self, order_id: str) -> dict[str, Any]:
        return self.get(f"orders/{order_id}")

    def stock(self, sku: str = "tea") -> tuple[int, int]:
        """On hand and reserved."""
        found = self.get(f"inventory/{sku}")
        return found["on_hand"], found["reserved"]

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


@pytest.fixture
def news(buyer: Buyer, drain: Callable[..., int]) -> Callable[[str], dict[str, Any]]:
    """Stripe has something to tell about a payment, and everything that follows is done."""

    def come(payment_id: str) -> dict[str, Any]:
        with transaction(actor="test:news") as tx:
            make_due(tx, payment_id)
        drain()
        return buyer.read(payment_id)

    return come


@pytest.fixture
def paid(opened: Any, stripe: Any, news: Any) -> Callable[..., dict[str, Any]]:
    """A payment that the shopper has paid (or, with capture_method manual, authorised)."""

    def make(
        order_id: str = "order-1", card: str = "4242424242424242", **changes: Any
    ) -> dict[str, Any]:
        payment = opened(order_id, **changes)
        stripe.pay(payment["checkout_url"], card)
        return dict(news(payment["id"]))

    return make


@pytest.fixture
def tea(buyer: Buyer) -> Callable[..., dict[str, Any]]:
    """An order for tea, of which there are so many pieces."""

    def make(reference: str = "tea-1", *, pieces: int = 1, on_hand: int | None = None) -> Any:
        if on_hand is not None:
            buyer.made("inventory/tea", {"on_hand": on_hand}, "PUT")
        items = [TEA | {"quantity": pieces}]
        return buyer.made("orders", {"reference": reference, "currency": "EUR", "items": items})

    return make


@pytest.fixture
def later(stripe: Any, advance: Callable[[float], None], drain: Callable[..., int]) -> Any:
    """Time passes, at Stripe and here, and what is due then is done."""

    def come(seconds: float) -> None:
        stripe.lever("POST", "clock", advance_s=seconds)
        advance(seconds)
        drain()

    return come
