"""Real servers for every test: PostgreSQL and Redis once per run, a fresh database per test.

Tests commit for real, because the transaction is the thing under test; each gets a clone of one
migrated template. Only clocks and faults are ever faked.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

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
    "WEBHOOK_RETRY_INTERVALS_TEST": "true",
}
os.environ.pop("GATEWAY_RETRY_INTERVALS", None)

from flask.testing import FlaskClient  # noqa: E402
from sqlalchemy import select, text  # noqa: E402

from gateway.app import create_app  # noqa: E402
from gateway.dev import embedded  # noqa: E402
from gateway.kernel import crashpoints, db  # noqa: E402
from gateway.kernel.events import Event  # noqa: E402
from gateway.kernel.http import Caller  # noqa: E402
from gateway.merchants import service as merchants  # noqa: E402
from gateway.migrations.upgrade import migrate  # noqa: E402
from gateway.processor import client as processor  # noqa: E402
from gateway.settings import settings  # noqa: E402

TEMPLATE = "gateway_template"
_number = count(1)


@pytest.fixture(scope="session")
def servers() -> Iterator[embedded.Servers]:
    with embedded.temporary_servers() as running:
        embedded.ensure_database(running.postgres, TEMPLATE)
        migrate(
            migration_url=running.postgres.url(embedded.OWNER, TEMPLATE), app_role=embedded.APP
        )
        yield running


def forget() -> None:
    """Drop what the process remembers of its settings and connections."""
    if db.engine.cache_info().currsize:
        db.engine().dispose()
    for remembered in (db.engine, settings, processor._client):
        remembered.cache_clear()


@pytest.fixture
def database(servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh database, reached as the application's role."""
    name = f"test_{os.getpid()}_{next(_number)}"
    embedded.clone_database(servers.postgres, TEMPLATE, name)
    url = servers.postgres.url(embedded.APP, name)
    monkeypatch.setenv("DATABASE_URL", url)
    forget()
    yield url
    crashpoints.arm(None)
    forget()
    embedded.drop_database(servers.postgres, name)


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


@pytest.fixture
def client(database: str) -> FlaskClient:
    return create_app().test_client()


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
