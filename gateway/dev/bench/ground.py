"""The ground every measurement stands on: servers of its own, a migrated database, one merchant.

PostgreSQL syncs its writes here as it does in production. Nothing outlives the `with` block.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from gateway.dev import embedded
from gateway.dev.bench.cpu import cpu_seconds
from gateway.dev.machine import free_port
from gateway.dev.places import ROOT
from gateway.dev.stack import answers, worker
from gateway.dev.supervisor import Process, Supervisor
from gateway.dev.walk import wait_for
from gateway.kernel import seal
from gateway.kernel.db import engine
from gateway.migrations.upgrade import migrate
from gateway.settings import settings as configured

DATABASE = "gateway_bench"
UNUSED = "http://127.0.0.1:1"
WEB_PROCESSES, WEB_THREADS = 2, 8


@dataclass
class Ground:
    home: Path
    supervisor: Supervisor
    postgres: embedded.Postgres
    env: dict[str, str]

    def web(self, name: str, app: str, **env: str) -> str:
        """Serve what makes a WSGI app, as production serves it; its address."""
        port = free_port()
        where = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--no-ws"]
        size = ["--workers", str(WEB_PROCESSES), "--blocking-threads", str(WEB_THREADS)]
        log = ["--log-level", "warning"]
        command = [sys.executable, "-m", "granian", *where, *size, *log, "--factory", app]
        url = f"http://127.0.0.1:{port}"
        self.run(name, command, ready=lambda: _listens(url), **env)
        return url

    def sandbox(self) -> str:
        """Stripe's stand-in, without latency; its address."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        database = Path(tempfile.mkdtemp(prefix="gateway-bench-", dir=self.home)) / "s.sqlite3"
        where = [f"--port={port}", f"--database={database}"]
        command = [sys.executable, "-m", "gateway.dev.sandbox", *where]
        self.run("sandbox", command, ready=lambda: answers(f"{url}/_sandbox/health"))
        return url

    def work(self, stripe: str = "", *, queues: tuple[str, ...] = ("stripe", "callbacks")) -> None:
        """Start workers, then the relay; returns when they have said that they live."""
        for queue in queues:
            self.run(f"worker-{queue}", list(worker(queue)), STRIPE_API_BASE=stripe or UNUSED)
        self.run("relay", [sys.executable, "-m", "workers.relay"])
        wait_for("the workers' start", lambda: self._living() > len(queues), seconds=60)

    def _living(self) -> int:
        with self.sql() as cursor:
            cursor.execute("SELECT count(*) FROM heartbeats WHERE kind IN ('worker', 'relay')")
            return int(cursor.fetchone()[0])

    def run(self, name: str, command: list[str], *, ready: Any = None, **env: str) -> None:
        self.supervisor.add(
            Process(
                name=name,
                command=command,
                env={**os.environ, **self.env, **env, "GATEWAY_PROCESS": name},
                cwd=ROOT,
                ready=ready,
            )
        )
        self.supervisor.wait_ready(60, [name])

    def cpu_seconds(self, name: str) -> float:
        """What the process called `name` has used, with its children."""
        return cpu_seconds(self.supervisor.pid(name) or 0)

    def log(self, name: str) -> str:
        """What the process called `name` has written so far."""
        return (self.home / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    @contextmanager
    def sql(self) -> Iterator[Any]:
        """A cursor that may do anything, each statement by itself."""
        with embedded.superuser(self.postgres, DATABASE) as cursor:
            yield cursor


def _listens(url: str) -> bool:
    try:
        with urlopen(url, timeout=1):
            return True
    except URLError as error:
        return hasattr(error, "code")  # it answers, if only 404
    except OSError:
        return False


@contextmanager
def ground(settings: Mapping[str, str] | None = None) -> Iterator[Ground]:
    """Servers, schema and the demo's merchant, with the environment of this process set to them."""
    home = Path(tempfile.mkdtemp(prefix="gateway-bench-"))
    home.chmod(0o711)  # PostgreSQL may run as another user
    postgres = embedded.Postgres.at(home / "postgres")
    redis = embedded.Redis(home / "redis", free_port())
    scratch = [home, postgres.data, postgres.sockets]
    with Supervisor([], home / "logs", scratch=scratch) as supervisor:
        postgres.prepare()
        redis.prepare()
        supervisor.add(postgres.process(), redis.process())
        supervisor.wait_ready(60)
        embedded.ensure_database(postgres, DATABASE)
        env = _environment(postgres, redis) | dict(settings or {})
        os.environ.update(env)
        _forget()
        migrate(migration_url=postgres.url(embedded.OWNER, DATABASE), app_role=embedded.APP)
        try:
            yield Ground(home, supervisor, postgres, env)
        except BaseException:
            with suppress(OSError):
                kept = Path(tempfile.gettempdir(), "gateway-bench-logs")
                rmtree(kept, ignore_errors=True)
                (home / "logs").rename(kept)
                print(f"The processes' logs are kept in {kept}.", file=sys.stderr)
            raise


def _forget() -> None:
    """What this process remembers of the ground before."""
    if engine.cache_info().currsize:
        engine().dispose()
    engine.cache_clear()
    configured.cache_clear()
    seal._cipher.cache_clear()  # noqa: SLF001 - each ground has a key of its own


def _environment(postgres: embedded.Postgres, redis: embedded.Redis) -> dict[str, str]:
    return {
        "GATEWAY_ENV": "demo",
        "GATEWAY_SECRET_KEY": secrets.token_hex(32),
        "GATEWAY_BASE_URL": "http://127.0.0.1:8000",
        "GATEWAY_LOG_LEVEL": "WARNING",
        "DATABASE_URL": postgres.url(embedded.APP, DATABASE),
        "REDIS_URL": redis.url,
        "STRIPE_SECRET_KEY": "sk_test_sandbox",
        "STRIPE_WEBHOOK_SECRET": "whsec_" + secrets.token_hex(16),
        "STRIPE_API_BASE": UNUSED,
        # What is measured is the way of a payment, not the refusal of one.
        "GATEWAY_RATE_PER_KEY": "1000000",
    }
