"""A gateway that stands for a whole file: for requests that are refused and so change nothing."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.app import create_app
from gateway.dev import embedded
from gateway.kernel.db import engine, transaction
from gateway.merchants import service as merchants
from gateway.settings import settings

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def call(servers: embedded.Servers) -> Iterator[Call]:
    """`call(method, path, **what)` as a merchant; never where a test writes for good."""
    name = f"standing_{os.getpid()}"
    embedded.clone_database(servers.postgres, "gateway_template", name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", servers.postgres.url(embedded.APP, name))
        engine.cache_clear(), settings.cache_clear()
        with transaction(actor="test:setup") as tx:
            merchant = merchants.create(tx, name="Standing")
            key = merchants.create_key(tx, merchant, livemode=False)
        client = create_app().test_client()
        own = {"X-Api-Key": key.key, "X-Api-Secret": key.secret}

        def send(method: str, path: str, **what: Any) -> Any:
            headers = own | what.pop("headers", {})
            return client.open(f"/api/v1{path}", method=method, headers=headers, **what)

        yield send
        engine().dispose()
    engine.cache_clear(), settings.cache_clear()
    embedded.drop_database(servers.postgres, name)
