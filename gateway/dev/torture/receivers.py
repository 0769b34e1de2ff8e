"""Merchants' webhook endpoints: they verify, remember every attempt, and often fail to answer well.

One server in this process, a path per endpoint. They know the secret that the API showed and
nothing else of the gateway.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

REFUSED = 0.15  # of all calls
OUTAGE_EVERY, OUTAGE_SECONDS = (12.0, 30.0), (1.0, 4.0)
PLANNED_SECONDS = 3600.0
SECRET_SECONDS = 5.0  # the first callback may come before the answer that shows the secret


@dataclass
class Got:
    """One event as an endpoint got it, in any number of attempts."""

    sequence: int
    type: str
    digest: str
    attempts: int = 0
    accepted: int = 0


@dataclass
class Receiver:
    """What one endpoint was sent. `well` ends its failures."""

    name: str
    random: Random
    types: tuple[str, ...] = ("*",)  # of events that it is to hear of
    got: dict[str, Got] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)  # signatures, and bytes that changed
    latest: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)  # by subject
    attempts: int = 0
    refused: int = 0
    well: bool = False
    webhook: Webhook | None = None
    known: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.outages: list[tuple[float, float]] = []
        at = 0.0
        while at < PLANNED_SECONDS:
            at += self.random.uniform(*OUTAGE_EVERY)
            self.outages.append((at, at + self.random.uniform(*OUTAGE_SECONDS)))

    def trust(self, secret: str) -> None:
        self.webhook = Webhook(secret)
        self.known.set()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status to answer."""
        self.known.wait(SECRET_SECONDS)
        event_id = headers.get("webhook-id", "")
        try:
            assert self.webhook is not None, "no secret was shown for this endpoint"
            self.webhook.verify(body, headers)
            content = json.loads(body)
        except (WebhookVerificationError, ValueError, AssertionError) as error:
            with self.lock:
                self.attempts += 1
                self.wrong.append(f"{event_id}: {error}")
            return 400
        with self.lock:
            self.attempts += 1
            refused = self._is_away() or (not self.well and self.random.random() < REFUSED)
            self._note(event_id, content, body, accepted=not refused)
            self.refused += refused
        return 500 if refused else 204

    def _note(self, event_id: str, content: Any, body: bytes, *, accepted: bool) -> None:
        digest = hashlib.sha256(body).hexdigest()
        new = Got(content["sequence"], content["type"], digest)
        got = self.got.setdefault(event_id, new)
        if got.digest != digest:
            self.wrong.append(f"{event_id}: other bytes at attempt {got.attempts + 1}")
        got.attempts += 1
        got.accepted += accepted
        subject, number = content["data"].get("id", ""), content["sequence"]
        if self.latest.get(subject, (0, {}))[0] < number:
            self.latest[subject] = number, content["data"]

    def _is_away(self) -> bool:
        at = time.monotonic() - self.began
        return not self.well and any(begin <= at < end for begin, end in self.outages)


@contextmanager
def receivers(names: tuple[str, ...], seed: int) -> Iterator[tuple[str, dict[str, Receiver]]]:
    """The address under which each name is a path, and what each has got."""
    every = {name: Receiver(name, Random(f"{name} {seed}")) for name in names}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response_only(every[self.path.strip("/")].take(headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", every
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that was killed has left in the middle of a word."""
