"""Everything a run stands on: servers, the gateway's processes, a troubled network, two merchants.

All of it is made for one run and gone after it, whatever its end; only the logs may be kept.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped]
import requests

from gateway.dev import embedded
from gateway.dev.machine import fleeting_place, free_port
from gateway.dev.places import ROOT
from gateway.dev.stack import YIELDING, Ports, clockwork, environment, processes
from gateway.dev.supervisor import Process, Supervisor
from gateway.dev.torture.armed import FOLDER
from gateway.dev.torture.network import Network
from gateway.dev.walk import wait_for
from gateway.migrations.upgrade import migrate

DATABASE = "gateway"
READY_SECONDS = 90
POSTGRES_SECONDS = 10.0  # it may just have been killed
_ADVANCE = "UPDATE clock SET offset_seconds = offset_seconds + %s"
SETTINGS = {
    "GATEWAY_ENV": "test",
    # An outage of a receiver must exhaust nothing.
    "WEBHOOK_RETRY_INTERVALS_TEST": "false",
    "GATEWAY_RETRY_INTERVALS": "0,1,2,2,4,4,8,8,16,16,32,32,60,60,60,60,60,60,60,60",
    # News that is lost is found again within the run.
    "GATEWAY_POLL_SECONDS": "20",
    "GATEWAY_STRIPE_TIMEOUT": "5",
    "GATEWAY_RECONCILE_PER_SECOND": "200",
    # The clock is moved by a minute now and then, and nobody's order may end by that.
    "GATEWAY_ORDER_TTL": "604800",
    "GATEWAY_PAYMENT_TTL": "604800",
    **{f"GATEWAY_RATE_{limit}": "1000000" for limit in ("PER_KEY", "REFUSED", "PER_SHOPPER")},
}
# What each process is started as, instead of itself.
ARMED = {
    "wsgi:app": "gateway.dev.torture.armed.web:app",
    "workers.app": "gateway.dev.torture.armed.worker",
    "workers.relay": "gateway.dev.torture.armed.relay",
}
# As .venv/bin/gateway, but of the tree that we are, even where that is a copy.
PROGRAM = (sys.executable, "-c", "from gateway.cli import main; main()")


class NotStarted(RuntimeError):
    """What a run needs could not be made."""


@dataclass
class Ground:
    supervisor: Supervisor
    postgres: embedded.Postgres
    network: Network
    env: dict[str, str]  # of an operator's command: nothing troubles it
    web: str
    sandbox: str
    logs: Path
    crashes: Path
    told: list[tuple[str, str]]  # by the supervisor
    moved: float = 0.0  # seconds that the clock was put forward

    @property
    def redis_url(self) -> str:
        return self.env["REDIS_URL"]

    def operate(self, *arguments: str, seconds: float = 120) -> tuple[int, dict[str, Any], str]:
        """`gateway ... --json`: its exit status, what it printed, and what it said besides."""
        command = [*PROGRAM, *arguments, "--json"]
        env = {**os.environ, **self.env}
        try:
            done = subprocess.run(
                command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return 1, {}, f"no end within {seconds:g} s"
        lines = done.stdout.strip().splitlines()
        try:
            found = json.loads(lines[-1]) if lines else {}
        except ValueError:
            found = {}
        return done.returncode, found, done.stderr.strip()

    def merchant(self, name: str) -> dict[str, str]:
        """A new merchant's id, key and secret."""
        code, found, said = self.operate("merchants", "create", name)
        if code:
            raise NotStarted(f"gateway merchants create: {said}")
        return {word: str(value) for word, value in found.items()}

    def advance(self, seconds: float) -> None:
        """Put the one clock forward, the gateway's and Stripe's, as soon as PostgreSQL is up."""
        deadline = time.monotonic() + POSTGRES_SECONDS
        while True:
            try:
                with embedded.superuser(self.postgres, DATABASE) as cursor:
                    cursor.execute(_ADVANCE, (seconds,))
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                break
        self.moved += seconds


@contextmanager
def ground(logs: Path) -> Iterator[Ground]:
    """All processes ready; none left at the end, and the logs where they were wanted."""
    home = Path(tempfile.mkdtemp(prefix="gateway-torture-", dir=fleeting_place()))
    home.chmod(0o711)  # PostgreSQL may run as another user
    postgres = embedded.Postgres.at(home / "postgres", durable=False)
    server = embedded.Redis(home / "redis", free_port(), durable=False)
    scratch = [home, postgres.data, postgres.sockets]
    told: list[tuple[str, str]] = []

    def hear(name: str, words: str) -> None:
        told.append((name, words))

    with Network() as network, Supervisor([], logs, on_event=hear, scratch=scratch) as supervisor:
        postgres.prepare()
        server.prepare()
        supervisor.add(postgres.process(), server.process())
        supervisor.wait_ready(READY_SECONDS)
        embedded.ensure_database(postgres, DATABASE)
        ports = Ports(*(free_port() for _ in range(4)))
        env = _environment(ports, postgres, server)
        migrate(migration_url=env["GATEWAY_MIGRATION_URL"], app_role=embedded.APP)
        crashes = home / "crashes"
        crashes.mkdir()
        supervisor.add(*_armed(ports, env, home, _troubled(network, env, postgres, server, ports)))
        web, sandbox = Ports.url(ports.web), Ports.url(ports.sandbox)
        on = Ground(supervisor, postgres, network, env, web, sandbox, logs, crashes, told)
        supervisor.wait_ready(READY_SECONDS)
        wait_for("/readyz", lambda: _well(on.web), seconds=READY_SECONDS)
        yield on


def _environment(
    ports: Ports, postgres: embedded.Postgres, server: embedded.Redis
) -> dict[str, str]:
    made = environment(
        ports,
        {},
        database_url=postgres.url(embedded.APP, DATABASE),
        migration_url=postgres.url(embedded.OWNER, DATABASE),
        redis_url=server.url,
        secret_key=secrets.token_hex(32),
    )
    return made | SETTINGS


def _troubled(
    network: Network,
    env: dict[str, str],
    postgres: embedded.Postgres,
    server: embedded.Redis,
    ports: Ports,
) -> dict[str, dict[str, str]]:
    """What `web` and the `workers` see instead: the near ends of lines."""
    socket = str(postgres.sockets / ".s.PGSQL.5432")
    redis_port = network.line("redis", f"127.0.0.1:{server.port}")
    stripe_port = network.line("stripe", f"127.0.0.1:{ports.sandbox}")

    def database(line: str) -> str:
        where = f"127.0.0.1:{network.line(line, socket)}/{DATABASE}"
        return f"postgresql://{embedded.APP}@{where}?sslmode=disable&gssencmode=disable"

    shared = {
        "REDIS_URL": env["REDIS_URL"].replace(f":{server.port}/", f":{redis_port}/"),
        "STRIPE_API_BASE": Ports.url(stripe_port),
    }
    return {
        "web": shared | {"DATABASE_URL": database("web-postgres")},
        "workers": shared | {"DATABASE_URL": database("workers-postgres")},
    }


def _armed(
    ports: Ports, env: dict[str, str], home: Path, lines: dict[str, dict[str, str]]
) -> Iterator[Process]:
    """The processes of `stack`, through the lines and with their crash points armed."""
    listed = [*processes(ports, env, var=home), *clockwork(ports, env)]
    listed = [each for each in listed if each.name not in ("store", "flower")]
    for process in [*listed, *(_second(each) for each in listed if each.name == "worker-stripe")]:
        seen = {"sandbox": {}, "web": lines["web"]}.get(process.name, lines["workers"])
        more = seen | {FOLDER: str(home / "crashes")}
        # Nobody watches by Flower, so nobody need be told of each task.
        command = [ARMED.get(word, word) for word in process.command if word != "-E"]
        if command[: len(YIELDING)] == [*YIELDING]:  # what the load asks for is done by workers
            command = command[len(YIELDING) :]
        yield replace(process, command=command, env={**(process.env or {}), **more})


def _second(worker: Process) -> Process:
    """Another of its kind, with a name of its own."""
    name = f"{worker.name}-2"
    command = [word.replace("@%h", "-2@%h") for word in worker.command]
    return replace(
        worker, name=name, command=command, env={**(worker.env or {}), "GATEWAY_PROCESS": name}
    )


def _well(web: str) -> bool:
    return bool(requests.get(f"{web}/readyz", timeout=5).json()["status"] == "ok")
