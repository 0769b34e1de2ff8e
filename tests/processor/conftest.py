"""A Stripe that answers what a test tells it to, to see what each answer makes us say."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests_support import forget


class Scripted:
    """Answers `script` one by one (the last for ever) and remembers requests and connections."""

    def __init__(self) -> None:
        self.script: list[tuple[int, Any, dict[str, str]]] = []
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        self.connections: set[int] = set()
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                outer.connections.add(self.client_address[1])
                outer.requests.append((self.command, self.path, dict(self.headers), body))
                at = min(len(outer.requests), len(outer.script)) - 1
                status, content, headers = outer.script[at]
                if status == 0:  # accept and never answer
                    outer.release.wait(20)
                    self.close_connection = True
                    return
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = answer

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def says(self, status: int, content: Any = None, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.script.append((status, content if content is not None else {}, named))


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    server = Scripted()
    monkeypatch.setenv("STRIPE_API_BASE", server.url)
    monkeypatch.setenv("GATEWAY_STRIPE_TIMEOUT", "1")
    forget()
    yield server
    server.release.set()
    server.server.shutdown()
    server.server.server_close()
    forget()
