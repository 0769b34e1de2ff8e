"""Real servers for every test: PostgreSQL and Redis once per run, a fresh database per test.

Tests commit for real, because the transaction is the thing under test; each gets a clone of one
migrated template. Only clocks and faults are ever faked.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
import requests
from xdist.scheduler import LoadScopeScheduling

# Read by modules as they are imported, so it stands before every import of the gateway.
os.environ |= {
    "GATEWAY_ENV": "test",
    "DATABASE_URL": "postgresql://nobody@/not-yet",
    "GATEWAY_SECRET_KEY": "a-secret-key-for-tests-0123456789abcdef",
    "STRIPE_SECRET_KEY": "sk_test_gateway",
    "STRIPE_WEBHOOK_SECRET": "whsec_test_of_stripe",
    "STRIPE_API_BASE": "http://127.0.0.1:1",
    "GATEWAY_STRIPE_TIMEOUT": "5",
    "GATEWAY_CALLBACK_TIMEOUT": "3",
    "GATEWAY_RECONCILE_PER_SECOND": "1000",
    "WEBHOOK_RETRY_INTERVALS_TEST": "true",
}
os.environ.pop("GATEWAY_RETRY_INTERVALS", None)

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from tests_support import Receiver, forget
from werkzeug.serving import make_server

from gateway.app import create_app
from gateway.dev import embedded
from gateway.dev.machine import free_port
from gateway.dev.seed import seed
from gateway.dev.stack import answers
from gateway.dev.walk import wait_for
from gateway.kernel import crashpoints, db
from gateway.kernel.events import Event
from gateway.kernel.heartbeats import Pulse, beat
from gateway.kernel.http import Caller
from gateway.merchants import service as merchants
from gateway.migrations.upgrade import migrate

pytest_plugins = ("browsing",)


class OneAtATime(LoadScopeScheduling):
    """Journeys run in one test worker, one after the other, and those in a browser in another: each
    of the two starts a dozen processes once. A file that needs a browser stays together, too.
    (xdist's groups do not see the marks of this pytest.)
    """

    def _split_scope(self, nodeid: str) -> str:
        scopes = (
            "tests/journeys/browser/",
            "tests/journeys/",
            "tests/openapi/test_page.py",
            "tests/sandbox/test_comfort.py",
        )
        return next((scope for scope in scopes if scope in nodeid), nodeid)


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "crash at each passing of each point, not at the first and the last only"
    parser.addoption("--every-place", action="store_true", help=words)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneAtATime:
    return OneAtATime(config, log)


# What takes longest by itself comes first, so that no worker is left with it at the end.
LONGEST = tuple(
    f"tests/{name}"
    for name in ("torture/test_run", "crashes/", "deploy/", "settlement/test_order", "inputs/")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


TEMPLATE = "gateway_template"
_number = count(1)


@pytest.fixture(scope="session")
def servers() -> Iterator[embedded.Servers]:
    with embedded.temporary_servers() as running:
        embedded.ensure_database(running.postgres, TEMPLATE)
        migrate(migration_url=running.postgres.url(embedded.OWNER, TEMPLATE), app_role=embedded.APP)
        yield running


class Clones:
    """Databases, each used once. One is made ahead and used ones go while the next test runs."""

    def __init__(self, postgres: embedded.Postgres) -> None:
        self.postgres = postgres
        self._behind = ThreadPoolExecutor(1)
        self._next = self._behind.submit(self._make)

    def _make(self) -> str:
        name = f"test_{os.getpid()}_{next(_number)}"
        embedded.clone_database(self.postgres, TEMPLATE, name)
        return name

    def take(self) -> str:
        name = self._next.result()
        self._next = self._behind.submit(self._make)
        return name

    def give_back(self, name: str) -> None:
        self._behind.submit(embedded.drop_database, self.postgres, name)

    def close(self) -> None:
        self._behind.shutdown()


@pytest.fixture(scope="session")
def clones(servers: embedded.Servers) -> Iterator[Clones]:
    clones = Clones(servers.postgres)
    yield clones
    clones.close()


@pytest.fixture
def database(clones: Clones, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh database, reached as the application's role."""
    name = clones.take()
    url = clones.postgres.url(embedded.APP, name)
    monkeypatch.setenv("DATABASE_URL", url)
    forget()
    yield url
    crashpoints.arm(None)
    forget()
    clones.give_back(name)


@dataclass(frozen=True)
class Shop:
    """A merchant with a test key."""

    merchant_id: str
    key: str
    secret: str
    caller: Caller

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Api-Key": self.key, "X-Api-Secret": self.secret}


@pytest.fixture
def new_shop(database: str) -> Callable[..., Shop]:
    def make(name: str = "Test Shop", *, livemode: bool = False) -> Shop:
        with db.transaction(actor="test:setup") as tx:
            merchant = merchants.create(tx, name=name)
            key = merchants.create_key(tx, merchant, livemode=livemode)
        caller = Caller(merchant_id=merchant.id, livemode=livemode, key_id=key.id)
        return Shop(merchant.id, key.key, key.secret, caller)

    return make


@pytest.fixture
def shop(new_shop: Callable[..., Shop]) -> Shop:
    return new_shop()


@pytest.fixture(scope="session")
def app() -> Flask:
    """Made once, since it keeps nothing of a database; a test with settings of its own makes its
    own.
    """
    return create_app()


@pytest.fixture
def client(app: Flask, database: str) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def web(app: Flask, database: str) -> Iterator[str]:
    """The gateway at an address of its own, with the demo's merchant and key."""
    seed()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def history(database: str) -> Callable[[str], list[str]]:
    """The event types of one row, in order."""

    def read(subject_id: str) -> list[str]:
        with db.transaction(actor="test:history") as tx:
            rows = select(Event.type).filter_by(subject_id=subject_id).order_by(Event.seq)
            return list(tx.scalars(rows))

    return read


@pytest.fixture
def sql(database: str) -> Callable[..., Any]:
    """One statement as the application's role; its first column, or None."""

    def run(statement: str, **values: Any) -> Any:
        with db.transaction(actor="test:sql") as tx:
            result = tx.execute(text(statement), values)
            return result.scalar() if result.returns_rows else None

    return run


class Stripe:
    """The sandbox as a test sees it: a shopper's hands, Stripe's memory, its faults and clock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()

    def lever(self, method: str, path: str, **body: Any) -> Any:
        answer = self.http.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def faults(self, **rates: Any) -> None:
        self.lever("PUT", "faults", **rates)

    def pay(self, checkout_url: str, card: str = "4242424242424242", **form: str) -> int:
        filled = {
            "card_number": card,
            "exp_month": "12",
            "exp_year": "2034",
            "cvc": "123",
            "email": "shopper@example.com",
        } | form
        answer = self.http.post(checkout_url, data=filled, allow_redirects=False, timeout=10)
        return answer.status_code

    def get(self, path: str, **params: Any) -> Any:
        """A question to the API itself, past the gateway."""
        headers = {"Authorization": "Bearer sk_test_gateway"}
        answer = self.http.get(f"{self.url}/v1/{path}", params=params, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, **params: Any) -> Any:
        """What somebody does in Stripe's own dashboard."""
        headers = {"Authorization": "Bearer sk_test_gateway"}
        answer = self.http.post(f"{self.url}/v1/{path}", data=params, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def sessions(self, payment_id: str | None = None) -> list[dict[str, Any]]:
        rows = self.get("checkout/sessions", limit="100")["data"]
        return [row for row in rows if payment_id in (None, row["client_reference_id"])]

    def events(self) -> list[dict[str, Any]]:
        """Oldest first, as full events."""
        return list(reversed(self.get("events", limit="100")["data"]))


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    database = tmp_path_factory.mktemp("stripe") / "sandbox.sqlite3"
    command = [sys.executable, "-m", "gateway.dev.sandbox", f"--port={port}"]
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    process = subprocess.Popen([*command, f"--database={database}"], env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for("the sandbox", lambda: answers(f"{url}/_sandbox/health"), seconds=20)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def stripe(database: str, sandbox_process: str, monkeypatch: pytest.MonkeyPatch) -> Stripe:
    """An empty Stripe without faults, which the gateway of this test talks to."""
    monkeypatch.setenv("STRIPE_API_BASE", sandbox_process)
    forget()
    sandbox = Stripe(sandbox_process)
    sandbox.lever("POST", "reset")
    sandbox.lever("DELETE", "faults")
    return sandbox


@pytest.fixture
def drain(database: str) -> Callable[..., int]:
    """Do everything the system owes now: relay, the tasks it hints, relay again, in this process.

    As in production a hint is acted upon after the relay's transaction. Returns the tasks run.
    """
    from workers import relay
    from workers.app import app

    def run(*, only: str | tuple[str, ...] = "", shuffle: random.Random | None = None) -> int:
        done = 0
        for _ in range(200):
            hints: list[relay.Hint] = []
            with db.transaction(actor="test:heartbeat") as tx:
                beat(
                    tx,
                    *(
                        Pulse(f"test:{queue}", "worker", queue=queue, slots=50)
                        for queue in ("stripe", "callbacks", "clock")
                    ),
                )
            passing = relay.Relay(hints.extend)
            passing.looked_overdue = time.monotonic()  # jobs start when a test starts them
            worked = passing.run_once()
            if shuffle:
                shuffle.shuffle(hints)
            for name, subject, _ in hints:
                if name.startswith(only):
                    app.tasks[name](subject)
                    done += 1
            if not worked or (only and not any(name.startswith(only) for name, *_ in hints)):
                return done
        raise AssertionError("it never came to rest")

    return run


@pytest.fixture
def advance(sql: Callable[..., Any]) -> Callable[[float], None]:
    """Move the gateway's clock."""

    def move(seconds: float) -> None:
        sql("UPDATE clock SET offset_seconds = offset_seconds + :n", n=seconds)

    return move


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()
