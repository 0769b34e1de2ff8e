"""A merchant's orders, each of which is one event, and what became of their callbacks."""

import pytest

ORDER = {"currency": "EUR", "amount": 500}


@pytest.fixture
def order(client, shop):
    """Make one order, which is one event."""

    def make(**fields):
        return client.post("/api/v1/orders", json=ORDER | fields, headers=shop.headers).json

    return make


@pytest.fixture
def deliveries(client, shop):
    """The newest first, after these filters."""

    def read(**query):
        asked = {"limit": 100} | query
        answer = client.get("/api/v1/webhook-deliveries", query_string=asked, headers=shop.headers)
        return answer.json["data"]

    return read


@pytest.fixture
def endpoint(client, shop):
    def read(id):
        return client.get(f"/api/v1/webhook-endpoints/{id}", headers=shop.headers).json

    return read
