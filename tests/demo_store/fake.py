"""A gateway that answers as the real one does, and what the store's tests do with it."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import Flask, jsonify, request
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from standardwebhooks import Webhook
from werkzeug.serving import WSGIRequestHandler

from gateway.dev.seed import KEY, SECRET

CHECKOUT = "http://127.0.0.1:4242/c/pay/cs_1"
TOKEN = "0123456789abcdef" * 2
Store = Any  # the module `server`, loaded anew for each test
Rows = dict[str, dict[str, Any]]


@dataclass
class FakeGateway:
    """Speaks as much of the contract as the shop uses, and remembers what it was asked."""

    url: str = ""
    endpoints: Rows = field(default_factory=dict)
    orders: Rows = field(default_factory=dict)
    payments: Rows = field(default_factory=dict)
    refunds: Rows = field(default_factory=dict)
    inventory: Rows = field(default_factory=dict)
    answers: Rows = field(default_factory=dict)  # by idempotency key
    keys: list[tuple[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    refusals: list[tuple[int, str]] = field(default_factory=list)  # to answer with first

    def make(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "webhook-endpoints":
            number = self.calls.count("POST webhook-endpoints")
            made = body | {"id": f"we_{number}", "status": "enabled", "created_at": "2030-01-01"}
            self.endpoints[made["id"]] = made
            return made | {"secret": f"whsec_{'c2VjcmV0' * 4}{number:04}"}
        if path == "orders":
            amount = sum(item["unit_amount"] * item["quantity"] for item in body["items"])
            made = body | {"id": f"ord_{len(self.orders)}", "status": "created", "amount": amount}
            return self.orders.setdefault(made["id"], made)
        if path == "payments":
            return self.pay(body)
        paid = self.payments[path.split("/")[1]]
        made = {"id": f"ref_{len(self.refunds)}", "status": "pending", "currency": "INR"}
        made |= {"payment_id": paid["id"], "amount": paid["amount"]}
        return self.refunds.setdefault(made["id"], made)

    def pay(self, body: dict[str, Any]) -> dict[str, Any]:
        """An order has one live payment: asking again answers with that."""
        order = self.orders[body["order_id"]]
        if order["status"] == "payment_in_progress":
            return list(self.payments.values())[-1]
        order["status"] = "payment_in_progress"
        number = len(self.payments)
        made = {"method": None, "status": "pending", "checkout_url": None, "failure": None}
        made |= {"amount": order["amount"], "client_secret": f"pay_{number}_secret_x"}
        made |= body | {"id": f"pay_{number}", "certainty": "confirmed"}
        return self.payments.setdefault(made["id"], made)

    def order(self, name: str) -> dict[str, Any] | None:
        found = (o for o in self.orders.values() if name in (o["id"], o["reference"]))
        return next(found, None)

    def now(self, order: str, **payment: Any) -> None:
        """Where the only order stands, and its newest payment."""
        if payment and not self.payments:
            self.pay({"order_id": "ord_0"})
        self.orders["ord_0"]["status"] = order
        if payment:
            list(self.payments.values())[-1].update(payment)


def problem(status: int, code: str) -> ResponseReturnValue:
    body = {"title": "No <b>way</b>.", "detail": "Because.", "code": code, "request_id": "req_7"}
    return json.dumps(body), status, {"Content-Type": "application/problem+json"}


def fake_app(fake: FakeGateway) -> Flask:
    app = Flask(__name__)

    @app.before_request
    def admit() -> ResponseReturnValue | None:
        fake.calls.append(f"{request.method} {request.path.removeprefix('/api/v1/')}")
        assert (request.headers["X-Api-Key"], request.headers["X-Api-Secret"]) == (KEY, SECRET)
        return problem(*fake.refusals.pop(0)) if fake.refusals else None

    @app.post("/api/v1/<path:path>")
    def create(path: str) -> ResponseReturnValue:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return fake.make(path, request.get_json()), 201
        fake.keys.append((path, key))
        if key not in fake.answers:
            fake.answers[key] = dict(fake.make(path, request.get_json()))
        return fake.answers[key], 201

    @app.get("/api/v1/<path:path>")
    def listed(path: str) -> ResponseReturnValue:
        rows = list(getattr(fake, path.split("/")[-1].removeprefix("webhook-")).values())
        wanted = request.args.get("order_id")
        return jsonify(data=[r for r in rows if wanted in (None, r.get("order_id"))][::-1])

    @app.get("/api/v1/orders/<name>")
    def one_order(name: str) -> ResponseReturnValue:
        return fake.order(name) or problem(404, "not_found")

    @app.get("/api/v1/inventory/<sku>")
    def stock(sku: str) -> ResponseReturnValue:
        return fake.inventory.get(sku) or problem(404, "not_found")

    @app.put("/api/v1/inventory/<sku>")
    def count(sku: str) -> ResponseReturnValue:
        pieces = request.get_json()["on_hand"]
        fake.inventory[sku] = {"sku": sku, "on_hand": pieces, "reserved": 0, "available": pieces}
        return fake.inventory[sku]

    @app.delete("/api/v1/webhook-endpoints/<name>")
    def delete(name: str) -> ResponseReturnValue:
        return fake.endpoints.pop(name)

    return app


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def signed(store: Store, id: str, type: str, data: dict[str, Any]) -> dict[str, Any]:
    """A callback as the gateway sends it, ready for the test client."""
    body, at = json.dumps({"type": type, "sequence": 1, "data": data}), datetime.now(UTC)
    assert store.opening.secret
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(store.opening.secret).sign(id, at, body),
    }
    return {"data": body, "headers": headers, "content_type": "application/json"}


def token_of(page: str) -> str:
    found = re.search(r'name="token" value="(\w+)"', page)
    assert found
    return found[1]


def cart(**given: Any) -> dict[str, Any]:
    """What the page's script sends."""
    items = [{"sku": "KF-TEAPOT", "quantity": 2}]
    return {"token": TOKEN, "method": "card", "items": items} | given


def buy(browser: FlaskClient, **given: Any) -> str:
    """The path of the order's page."""
    answer = browser.post("/orders", json=cart(**given))
    assert answer.status_code == 200, answer.text
    return f"/orders/{answer.json['reference']}"
