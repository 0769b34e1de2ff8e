"""The whole gateway in real processes, once for all journeys of a test worker."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis
import requests
from tests_support import forget

from gateway.dev import embedded, seed
from gateway.dev.machine import free_port
from gateway.dev.stack import Ports, clockwork, environment, processes
from gateway.dev.supervisor import Supervisor
from gateway.dev.walk import CARD, wait_for
from gateway.migrations.upgrade import migrate
from gateway.reconciliation.invariants import INVARIANTS, counting

RETRIES = "0,2,2,4,4,8,8,16,16,32,32,60"  # seconds; chaos lasts longer than a test's usual few


class Stack:
    """What a merchant, a shopper and a vandal can do to a running gateway."""

    def __init__(
        self, ports: Ports, env: dict[str, str], supervisor: Supervisor, told: list[Any]
    ) -> None:
        self.ports, self.env, self.supervisor = ports, env, supervisor
        self.told = told  # what the supervisor says of its processes
        self.url, self.sandbox, self.store = (
            Ports.url(port) for port in (ports.web, ports.sandbox, ports.store)
        )
        self.merchant = {"X-Api-Key": seed.KEY, "X-Api-Secret": seed.SECRET}

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("headers", {})
        options["headers"] = self.merchant | options["headers"]
        return requests.request(method, f"{self.url}/api/v1/{path}", timeout=15, **options)

    def patiently(self, method: str, path: str, **options: Any) -> requests.Response:
        """As a good client: again after no answer or a 503, until there is one."""
        for _ in range(200):
            try:
                answer = self.call(method, path, **options)
            except requests.RequestException:
                time.sleep(0.2)
                continue
            if answer.status_code != 503:
                return answer
            assert answer.headers["Retry-After"]
            time.sleep(0.2)
        raise AssertionError(f"{method} {path} was never answered")

    def read(self, payment_id: str) -> dict[str, Any]:
        return dict(self.patiently("GET", f"payments/{payment_id}").json())

    def until(self, payment_id: str, status: str, seconds: float = 30) -> dict[str, Any]:
        return self.until_any(payment_id, (status,), seconds)

    def until_any(
        self, payment_id: str, statuses: tuple[str, ...], seconds: float = 30
    ) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            payment = self.read(payment_id)
            return payment if payment["status"] in statuses else None

        return dict(wait_for(f"{payment_id} {statuses}", there, seconds=seconds))

    def pay(self, checkout_url: str, **form: str) -> None:
        answer = requests.post(checkout_url, data=CARD | form, allow_redirects=False, timeout=30)
        assert answer.status_code in (303, 200, 409), answer.text[:300]

    def expire(self, checkout_url: str) -> None:
        """What a day does to a session that nobody pays."""
        session = checkout_url.rpartition("/")[2]
        key = {"Authorization": f"Bearer {self.env['STRIPE_SECRET_KEY']}"}
        url = f"{self.sandbox}/v1/checkout/sessions/{session}/expire"
        requests.post(url, headers=key, timeout=10).raise_for_status()

    def faults(self, **rates: Any) -> None:
        if rates:
            requests.put(f"{self.sandbox}/_sandbox/faults", json=rates, timeout=5)
        else:
            requests.delete(f"{self.sandbox}/_sandbox/faults", timeout=5)

    def heard(self, **query: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.store}/callbacks.json", params=query, timeout=10)
        return list(answer.json()["data"])

    def charges(self) -> dict[str, int]:
        """Successful charges by payment, as Stripe has them."""
        state = requests.get(f"{self.sandbox}/_sandbox/state", timeout=30).json()
        found: dict[str, int] = {}
        for row in state["sessions"]:
            name = row["client_reference_id"]
            found[name] = found.get(name, 0) + row["successful_charges"]
        return found

    def kill(self, name: str) -> None:
        pid = self.supervisor.pid(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def pause(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)

    def resume(self, pid: int) -> None:
        os.kill(pid, signal.SIGCONT)

    def flush_redis_if_up(self) -> None:
        with suppress(redis.RedisError), redis.Redis.from_url(self.env["REDIS_URL"]) as client:
            client.flushall()

    def stripe_check(self) -> dict[str, Any]:
        ready = requests.get(f"{self.url}/readyz", timeout=5).json()
        return dict(ready["checks"]["stripe"])

    def well(self) -> bool:
        return bool(requests.get(f"{self.url}/readyz", timeout=5).json()["status"] == "ok")

    def many(self, work: Callable[[Any], Any], items: Any, at_once: int = 8) -> list[Any]:
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(work, items))


@pytest.fixture(scope="package")  # what follows in this worker has the machine to itself
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With servers of its own, which a journey may kill."""
    var: Path = tmp_path_factory.mktemp("stack")
    ports = Ports(*(free_port() for _ in range(4)))
    postgres = embedded.Postgres.at(var / "postgres", durable=False)
    server = embedded.Redis(var / "redis", free_port())
    postgres.prepare()
    server.prepare()
    env = environment(
        ports,
        {},
        database_url=postgres.url(embedded.APP, "gateway"),
        migration_url=postgres.url(embedded.OWNER, "gateway"),
        redis_url=server.url,
        secret_key=os.environ["GATEWAY_SECRET_KEY"],
    ) | {"WEBHOOK_RETRY_INTERVALS_TEST": "false", "GATEWAY_RETRY_INTERVALS": RETRIES}
    scratch = [postgres.data, postgres.sockets]
    told: list[tuple[str, str]] = []

    def hear(name: str, text: str) -> None:
        told.append((name, text))

    with Supervisor([], var / "logs", on_event=hear, scratch=scratch) as supervisor:
        supervisor.add(postgres.process(), server.process())
        supervisor.wait_ready(30)
        embedded.ensure_database(postgres, "gateway")
        migrate(migration_url=env["GATEWAY_MIGRATION_URL"], app_role=embedded.APP)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", env["DATABASE_URL"])
            forget()
            seed.seed((Ports.url(ports.store),))
        forget()
        supervisor.add(*processes(ports, env, var=var), *clockwork(ports, env))
        stack = Stack(ports, env, supervisor, told)
        supervisor.wait_ready(90)
        wait_for("/readyz", stack.well, seconds=60)
        yield stack


@pytest.fixture(autouse=True)
def sound(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every journey the database keeps every rule that it keeps at any moment."""
    yield
    if "stack" not in request.fixturenames:
        return
    stack: Stack = request.getfixturevalue("stack")
    with closing(psycopg2.connect(stack.env["DATABASE_URL"])) as connection:
        found = {}
        for rule, query in INVARIANTS.items():
            with connection.cursor() as cursor:
                cursor.execute(counting(query))
                count, examples = cursor.fetchone()
                found |= {rule: examples} if count else {}
    assert found == {}
