"""Receivers that run: one of each kind for the whole session, at the hour of the vectors."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from node_support import install

from gateway.callbacks.signing import content_of
from gateway.kernel.events import Event

from .kits import EXAMPLES, KINDS, Kit, command, running
from .vectors import LARGE, NOW, SECRET


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made when a test first asks for Node."""
    return install(EXAMPLES / "receiver-node", tmp_path_factory.mktemp("node") / "receiver-node")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def command_of(request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    """How to start a kind, with what it needs installed."""

    def make(kind: str, at: int | None = None) -> list[str]:
        folder = request.getfixturevalue("node_folder") if kind == "node" else None
        return command(kind, folder, at)

    return make


@pytest.fixture(scope="session")
def archive() -> Iterator[str]:
    """A gateway that knows one event, the large one of the vectors."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == f"/api/v1/events/{LARGE.id}" and "Authorization" in self.headers
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(resource(LARGE) if known else {}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def resource(event: Event) -> dict[str, Any]:
    return content_of(event) | {"id": event.id, "livemode": False}


@pytest.fixture(scope="session")
def started() -> Iterator[tuple[ExitStack, dict[str, Kit]]]:
    with ExitStack() as stack:
        yield stack, {}


@pytest.fixture
def kit(
    kind: str,
    command_of: Callable[..., list[str]],
    archive: str,
    started: tuple[ExitStack, dict[str, Kit]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Kit:
    """A receiver of this kind that has run since a test first asked for one."""
    stack, kits = started
    if kind not in kits:
        words = command_of(kind, int(NOW.timestamp()))
        folder = tmp_path_factory.mktemp(kind)
        kits[kind] = stack.enter_context(running(words, folder, secret=SECRET, gateway=archive))
    return kits[kind]
