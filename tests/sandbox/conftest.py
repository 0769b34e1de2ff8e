"""One sandbox and one receiver for the whole folder; each test makes its own sessions."""

from collections.abc import Iterator

import pytest
import stripe

from .support import Receiver, Server


@pytest.fixture(scope="session", autouse=True)
def no_telemetry() -> Iterator[None]:
    before, stripe.enable_telemetry = stripe.enable_telemetry, False
    yield
    stripe.enable_telemetry = before


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Server]:
    database = tmp_path_factory.mktemp("sandbox") / "sandbox.sqlite3"
    server = Server(database, webhook_url=receiver.url)
    yield server
    server.stop()


@pytest.fixture
def sandbox(running: Server, receiver: Receiver) -> Iterator[Server]:
    yield running
    running.lever("DELETE", "faults")
    receiver.answers.clear()
