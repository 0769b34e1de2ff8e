"""A shop's history for tests of replays: what was told, a way to ask, and workers that go on."""

from datetime import datetime

from sqlalchemy import text

from gateway.kernel.db import transaction

ROWS = """
    SELECT e.data->>'reference', d.status, d.due_at IS NULL, d.id, d.event_id
    FROM events e LEFT JOIN callback_deliveries d ON d.event_id = e.id AND d.endpoint_id = :endpoint
    WHERE e.type = 'order.created' ORDER BY e.sequence"""


class History:
    """Orders of a shop, each told at a time of its own, and what became of telling them."""

    def __init__(self, client, shop, sql, advance, drain):
        self.client, self.shop, self.sql = client, shop, sql
        self.advance, self.drain = advance, drain
        self.endpoint = ""

    def orders(self, *references, every=300):
        """One in so many seconds; what is to be told of them waits for its first attempt."""
        for reference in references:
            self.advance(every)
            body = {"currency": "EUR", "amount": 500, "reference": reference}
            made = self.client.post("/api/v1/orders", json=body, headers=self.shop.headers)
            assert made.status_code == 201, made.json
        self.drain(only="nothing.")

    def register(self, **fields):
        body = {"url": "http://127.0.0.1:9/", "events": ["order.created"]} | fields
        made = self.client.post("/api/v1/webhook-endpoints", json=body, headers=self.shop.headers)
        self.endpoint = made.json["id"]
        self.drain(only="nothing.")
        return self.endpoint

    def ended(self, status, *references):
        """As if that had become of their deliveries."""
        self.sql(
            "UPDATE callback_deliveries d SET status = :status, due_at = NULL FROM events e"
            " WHERE e.id = d.event_id AND e.data->>'reference' = ANY(:named)",
            status=status,
            named=list(references),
        )

    def at(self, reference):
        """When that order was made, as the API says it."""
        path = f"/api/v1/orders/{reference}"
        return self.client.get(path, headers=self.shop.headers).json["created_at"]

    def rows(self):
        with transaction(actor="test:rows") as tx:
            return [tuple(row) for row in tx.execute(text(ROWS), {"endpoint": self.endpoint})]

    def lane(self):
        """The references of what waits in the endpoint's lane."""
        return [row[0] for row in self.rows() if row[1:3] == ("pending", True)]

    def ask(self, expect=202, headers=(), **body):
        path = f"/api/v1/webhook-endpoints/{self.endpoint}/replay"
        sent = {"since": "2020-01-01T00:00:00Z"} | body
        answer = self.client.post(path, json=sent, headers=self.shop.headers | dict(headers))
        assert answer.status_code == expect, answer.json
        return answer.json

    def step(self):
        """As far as a worker takes it in one step; how it then is."""
        self.drain(only="clock.")
        self.advance(1)
        path = f"/api/v1/webhook-endpoints/{self.endpoint}/replays"
        return self.client.get(path, headers=self.shop.headers).json["data"][0]

    def replay(self, **body):
        """From asking to its end."""
        self.ask(**body)
        for _ in range(50):
            found = self.step()
            if found["status"] != "pending":
                return found
        raise AssertionError("it never came to its end")

    def endpoint_due(self):
        return self.sql(
            "SELECT due_at <= gateway_now() FROM callback_endpoints WHERE id = :id",
            id=self.endpoint,
        )


def moment(text):
    return datetime.fromisoformat(text)
