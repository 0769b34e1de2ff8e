"""A store, its gateway and a browser."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from gateway.dev.seed import KEY, SECRET
from gateway.dev.store.app import Links, Store, create_app
from gateway.dev.store.client import Gateway
from gateway.dev.store.endpoint import Registration
from gateway.dev.store.inbox import Inbox

from .fake import FakeGateway, Quiet, fake_app


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
def start(gateway: FakeGateway, tmp_path: Path) -> Callable[..., Store]:
    """A shop on a port, after it has seen to its endpoint."""

    def begin(port: int = 8001, *, register: bool = True) -> Store:
        url = f"http://127.0.0.1:{port}"
        client = Gateway(gateway.url, key=KEY, secret=SECRET)
        memory = tmp_path / "var" / "store.json"
        registration = Registration(client, url=f"{url}/callbacks", memory=memory)
        if register:
            registration.run(threading.Event())
        return Store(client, registration, Inbox(), url, Links(gateway.url))

    return begin


@pytest.fixture
def store(start: Callable[..., Store]) -> Store:
    return start()


@pytest.fixture
def browser(store: Store) -> FlaskClient:
    return create_app(store).test_client()
