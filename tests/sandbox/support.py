"""A running sandbox, a webhook receiver, and the few words that every sandbox test uses."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import stripe

SECRET = "whsec_test_sandbox"
OK_CARD = "4242424242424242"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(look: Callable[[], Any], *, seconds: float = 8.0) -> Any:
    """Poll until `look` gives something true."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return seen


class Receiver:
    """A webhook endpoint that remembers what it was sent and answers as it is told."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, str]] = []
        self.answers: dict[str, list[int]] = {}  # Event type -> statuses to give first.
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((body, self.headers["Stripe-Signature"]))
                planned = receiver.answers.get(json.loads(body)["type"])
                self.send_response(planned.pop(0) if planned else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/stripe"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def about(self, session_id: str) -> list[dict[str, Any]]:
        """Every delivery that concerns the session itself."""
        bodies = [json.loads(body) for body, _ in list(self.received)]
        return [event for event in bodies if event["data"]["object"]["id"] == session_id]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Server:
    """The sandbox as a process of its own."""

    def __init__(self, database: Path, *, webhook_url: str | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = ["--port", str(self.port), "--database", str(database)]
        self._arguments += ["--webhook-secret", SECRET]
        if webhook_url:
            self._arguments += ["--webhook-url", webhook_url]
        self.client = stripe.StripeClient("sk_test_sandbox", base_addresses={"api": self.url})
        self.start()

    def start(self) -> None:
        ours = ("DATABASE_URL", "SANDBOX_WEBHOOK_URL", "STRIPE_WEBHOOK_SECRET")
        environ = {name: value for name, value in os.environ.items() if name not in ours}
        command = [sys.executable, "-m", "gateway.dev.sandbox", *self._arguments]
        self.process = subprocess.Popen(command, env=environ)
        until(self._is_up, seconds=20)

    def _is_up(self) -> bool:
        try:
            return requests.get(f"{self.url}/_sandbox/health", timeout=1).ok
        except requests.ConnectionError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=5)

    # The product's side: plain stripe-python.

    def create(self, **changes: Any) -> Any:
        return self.client.v1.checkout.sessions.create(params=session_params(**changes))

    def session(self, id: str) -> Any:
        expand = ["payment_intent.latest_charge.refunds"]
        return self.client.v1.checkout.sessions.retrieve(id, {"expand": expand})

    def raw(self, method: str, path: str, data: Any = None, **headers: str) -> requests.Response:
        headers = {"Authorization": "Bearer sk_test_sandbox"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return requests.request(method, self.url + path, data=data, headers=headers, timeout=10)

    # The shopper's side: the form.

    def pay(self, session_id: str, number: str = OK_CARD, **changes: str) -> requests.Response:
        form = {"card_number": number, "exp_month": "12", "exp_year": "34", "cvc": "123"}
        return self.submit(session_id, **form | changes)

    def submit(self, session_id: str, **form: str) -> requests.Response:
        page = f"{self.url}/c/pay/{session_id}"
        return requests.post(page, data=form, allow_redirects=False, timeout=10)

    # The tester's side: the levers.

    def lever(self, method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=10)

    def events_of(self, object_id: str) -> list[str]:
        """The types of all events about an object, oldest first."""
        listed = self.client.v1.events.list({"limit": 100}).data
        return [event.type for event in reversed(listed) if event.data.object.id == object_id]


def session_params(**changes: Any) -> dict[str, Any]:
    price = {"currency": "usd", "unit_amount": 2500, "product_data": {"name": "Lamp"}}
    params = {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 2}],
        "success_url": "https://shop.example/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cart",
    }
    return {name: value for name, value in (params | changes).items() if value is not None}


def rupees(*types: str) -> dict[str, Any]:
    price = {"currency": "inr", "unit_amount": 49900, "product_data": {"name": "Tea"}}
    changes: dict[str, Any] = {"line_items": [{"price_data": price, "quantity": 1}]}
    return changes | ({"allowed_payment_method_types": list(types)} if types else {})


def euros(*types: str) -> dict[str, Any]:
    price = {"currency": "eur", "unit_amount": 5000, "product_data": {"name": "Lampe"}}
    changes: dict[str, Any] = {"line_items": [{"price_data": price, "quantity": 1}]}
    return changes | ({"allowed_payment_method_types": list(types)} if types else {})
