"""A store, its gateway and a browser."""

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from .fake import FakeGateway, Quiet, Store, fake_app

FOLDER = Path(__file__).parents[2] / "examples" / "demo_store"
MODULES = [path.stem for path in FOLDER.glob("*.py")]


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    fake = FakeGateway()
    server = make_server("127.0.0.1", 0, fake_app(fake), threaded=True, request_handler=Quiet)
    fake.url = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def start(
    gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Store]]:
    """The program as a process would load it, after it has seen to its opening."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def begin(port: int = 8001, *, register: bool = True) -> Store:
        forget()
        store: Any = importlib.import_module("server")
        store.gateway.url = gateway.url
        store.app.config["URL"] = f"http://127.0.0.1:{port}"
        store.opening.url = f"http://127.0.0.1:{port}/callbacks"
        store.opening.memory = tmp_path / "var" / "store.json"
        if register:
            store.opening.run(threading.Event())
        return store

    yield begin
    forget()


def forget() -> None:
    """So that no other test imports a module of this folder by its short name."""
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def store(start: Callable[..., Store]) -> Store:
    return start()


@pytest.fixture
def browser(store: Store) -> FlaskClient:
    return visitor(store)


class Visitor(FlaskClient):
    """By the name under which the gateway knows the shop."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        return super().open(*args, **{"base_url": "http://127.0.0.1:8001", **kwargs})


def visitor(store: Store) -> FlaskClient:
    return Visitor(store.app, store.app.response_class, use_cookies=True)
