"""What tests and fixtures share: signing as Stripe does, a gateway that stands, what errors say."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe as sdk
from standardwebhooks import Webhook

from gateway.callbacks.sender import Result
from gateway.callbacks.transfers import Transfers
from gateway.kernel import db, limits
from gateway.processor import client as processor
from gateway.settings import settings

STRIPE_SECRET = "whsec_test_of_stripe"


def forget() -> None:
    """Drop what the process remembers of its settings and connections."""
    if db.engine.cache_info().currsize:
        db.engine().dispose()
    for remembered in (db.engine, settings, processor.connected, limits._pace):
        remembered.cache_clear()


def signed(raw: str, *, secret: str = STRIPE_SECRET, at: int | None = None) -> dict[str, str]:
    header = sdk.WebhookSignature.generate_signature_header(raw, secret, at)
    return {"Stripe-Signature": header}


def tell(client: Any, event: dict[str, Any]) -> Any:
    """Deliver a Stripe event to the gateway as Stripe would."""
    raw = json.dumps(event)
    return client.post("/webhooks/stripe", data=raw, headers=signed(raw))


class Receiver:
    """A merchant's server: remembers every callback, answers as it is told (200 after that)."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.secret = ""
        self.on_call: Callable[[BaseHTTPRequestHandler], None] = lambda _: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.calls.append((dict(self.headers), body))
                outer.on_call(self)
                status, headers, content = outer.answers.pop(0) if outer.answers else (200, {}, b"")
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def register(self, client: Any, shop: Any, **fields: Any) -> dict[str, Any]:
        answer = client.post(
            "/api/v1/webhook-endpoints", json={"url": self.url} | fields, headers=shop.headers
        )
        assert answer.status_code == 201, answer.json
        self.secret = answer.json["secret"]
        return dict(answer.json)

    def verified(self) -> list[dict[str, Any]]:
        """Every call's body, after the receiver's own library has checked it."""
        webhook = Webhook(self.secret)
        return [webhook.verify(body, headers) for headers, body in list(self.calls)]

    def types(self) -> list[str]:
        return [body["type"] for body in self.verified()]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def check_problem(answer: Any, status: int, code: str | None = None) -> Any:
    """RFC 9457 with the documented fields, and nothing of our insides."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    body = answer.json
    documented = {"type", "title", "status", "detail", "code", "request_id"}
    assert documented <= set(body) <= documented | {"errors"}
    assert body["status"] == status
    assert body["request_id"] == answer.headers["Request-Id"]
    assert body["type"].endswith(f"/docs/errors#{body['code']}")
    assert "Traceback" not in answer.text
    assert ("errors" in body) == (body["code"] == "invalid_request")
    for error in body.get("errors", []):
        assert set(error) == {"param", "message"}
    if code:
        assert body["code"] == code
    return body


def post(url: str) -> Result:
    """One callback by itself, on a connection of its own."""
    transfers = Transfers()
    try:
        transfers.start(url, url, {}, b"{}")
        while not (ended := transfers.wait(1.0)):
            pass
        return ended[0][1]
    finally:
        transfers.close()
