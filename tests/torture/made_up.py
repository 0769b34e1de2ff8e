"""Facts of a small run in which all went well; tests change one of them."""

import hashlib
import json
from typing import Any

from gateway.dev.torture.client import Acked, Answer
from gateway.dev.torture.facts import Facts, Heard, Peek, Side
from gateway.dev.torture.receivers import Got
from gateway.dev.torture.shoppers import Plan


def payment(id: str = "pay_1", **changes: Any) -> dict[str, Any]:
    return {
        "id": id,
        "order_id": f"ord_{id[4:]}",
        "status": "succeeded",
        "amount": 500,
        "currency": "EUR",
        "amount_captured": 500,
        "amount_refunded": 0,
        "checkout_url": None,
        "failure": None,
    } | changes


def order(id: str = "ord_1", **changes: Any) -> dict[str, Any]:
    items = [{"sku": "cup", "quantity": 2}]
    return {"id": id, "status": "packaging", "amount": 500, "items": items} | changes


def session(payment_id: str = "pay_1", **changes: Any) -> dict[str, Any]:
    return {
        "id": f"cs_{payment_id}",
        "client_reference_id": payment_id,
        "status": "complete",
        "intent_status": "succeeded",
        "amount": 500,
        "currency": "eur",
        "amount_received": 500,
        "refunds_succeeded": 0,
        "successful_charges": 1,
    } | changes


def events(*rows: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"id": f"evt_{n}", "type": type, "sequence": n, "timestamp": "now", "data": data}
        for n, (type, data) in enumerate(rows, 1)
    ]


def heard(feed: list[dict[str, Any]]) -> Heard:
    return Heard(0, {event["id"]: got(event) for event in feed})


def got(event: dict[str, Any]) -> Got:
    content = {name: event[name] for name in ("type", "timestamp", "sequence", "data")}
    body = json.dumps(content, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(body.encode()).hexdigest()
    return Got(event["sequence"], event["type"], digest, attempts=1, accepted=1)


def acked(path: str, **body: Any) -> Acked:
    return Acked("mer_1", path, "key", Answer(201, json.dumps(body).encode()))


def all_well() -> Facts:
    born = {"status": "pending", "amount_captured": 0}
    feed = events(
        ("order.created", order(status="created")),
        ("payment.created", payment(**born)),
        ("payment.requires_action", payment(**born | {"status": "requires_action"})),
        ("payment.succeeded", payment()),
        ("order.packaging", order()),
    )
    side = Side(
        payments=[payment()],
        orders=[order()],
        events=feed,
        inventory=[{"sku": "cup", "on_hand": 3, "reserved": 0}],
        heard={"ours-1": heard(feed), "ours-2": heard(feed)},
        plan=Plan(stock={"cup": 5}),
    )
    made = acked("payments", id="pay_1", amount=500, currency="EUR", order_id="ord_1")
    return Facts(
        sides={"ours": side, "theirs": Side()},
        acked={"ours": [made, acked("orders", id="ord_1", amount=500)]},
        stripe=[session()],
        peeks=[Peek("GET payments/pay_1", 404)],
        jobs={"worker_status": "running", "queues": {"stripe": {"pending": 0, "processing": 0}}},
        ready={"checks": {"attention": {"ok": True, "needs_attention": {"payment": 0}}}},
        commands={
            "reconcile": (0, {"status": "succeeded", "items": []}, ""),
            "discrepancies": (0, {"data": []}, ""),
            "doctor": (0, {"ok": True}, ""),
        },
    )
