"""One application and one database for each file; the real server where bytes matter."""

import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tests_support import forget

from gateway.dev import embedded, stack
from gateway.dev.machine import free_port
from gateway.dev.places import ROOT
from gateway.dev.seed import seed
from gateway.dev.walk import wait_for

from .standing import Faults, Standing
from .wire import Server

_number = count(1)
# What is refused is asked about elsewhere; here nothing may be hidden behind a limit.
LIMITS = ("PER_KEY", "REFUSED", "PER_SHOPPER", "PER_ORDER")
UNLIMITED = {f"GATEWAY_RATE_{limit}": "1000000" for limit in LIMITS}


@pytest.fixture(scope="module")
def standing_database(servers: embedded.Servers) -> Iterator[str]:
    """A database for a whole file, and a process that uses it."""
    name = f"inputs_{os.getpid()}_{next(_number)}"
    embedded.clone_database(servers.postgres, "gateway_template", name)
    url = servers.postgres.url(embedded.APP, name)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {**UNLIMITED, "DATABASE_URL": url}.items():
            patch.setenv(variable, value)
        forget()
        yield url
        forget()
    forget()
    embedded.drop_database(servers.postgres, name)


@pytest.fixture(scope="module")
def api(standing_database: str) -> Standing:
    return Standing()


@pytest.fixture
def unchanged(api: Standing) -> Iterator[None]:
    """Whatever the test sends, not one row is another afterwards."""
    before = api.state()
    yield
    assert api.state() == before


@pytest.fixture
def faults() -> Iterator[Faults]:
    """Reports at the end what it was given to check on the way."""
    collected = Faults()
    yield collected
    collected.none()


@pytest.fixture(scope="module")
def server(standing_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The web process as the demo runs it, with the demo's key."""
    seed()
    port, log = free_port(), Path(tmp_path_factory.mktemp("web"), "web.log")
    with log.open("w") as file:
        process = subprocess.Popen(stack.web(port), cwd=ROOT, stdout=file, stderr=file)
    try:
        wait_for(
            "the server", lambda: stack.answers(f"http://127.0.0.1:{port}/healthz"), seconds=30
        )
        yield Server(port, log)
    finally:
        process.terminate()
        process.wait(15)
