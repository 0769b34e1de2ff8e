"""Every process of a gateway on one machine, as a supervisor runs them.

`processes` are those that a payment needs, `clockwork` beat and Flower, which it does not.

The demo and the journey tests start the same list; nothing here is imported by the product.
"""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from gateway.dev.places import ROOT
from gateway.dev.supervisor import Process

QUEUES = ("stripe", "callbacks", "clock")
SERVERS = ("postgres", "redis")
# On one machine accepting payments comes first; what was accepted can wait for a moment.
YIELDING = ("nice", "-n", "5")
CELERY = (sys.executable, "-m", "celery", "-A", "workers.app")
# Of those for callbacks one runs the engine, and the others take what is said meanwhile.
SLOTS = {"stripe": 8, "callbacks": 8, "clock": 1}


@dataclass(frozen=True)
class Ports:
    web: int
    sandbox: int
    store: int
    flower: int

    @staticmethod
    def url(port: int) -> str:
        return f"http://127.0.0.1:{port}"


def environment(
    ports: Ports,
    given: Mapping[str, str],
    *,
    database_url: str,
    migration_url: str,
    redis_url: str,
    secret_key: str,
) -> dict[str, str]:
    """The variables that all processes share, and that `var/demo.env` gives to the commands.

    With STRIPE_SECRET_KEY in the `given` environment that Stripe is used instead of the sandbox.
    """
    stripe = {
        "STRIPE_SECRET_KEY": "sk_test_sandbox",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
        "STRIPE_API_BASE": Ports.url(ports.sandbox),
    }
    if "STRIPE_SECRET_KEY" in given:
        names = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE")
        stripe = {"STRIPE_WEBHOOK_SECRET": stripe["STRIPE_WEBHOOK_SECRET"]} | {
            name: given[name] for name in names if name in given
        }
    return stripe | {
        "GATEWAY_ENV": given.get("GATEWAY_ENV", "demo"),
        "GATEWAY_SECRET_KEY": secret_key,
        "GATEWAY_BASE_URL": Ports.url(ports.web),
        "DATABASE_URL": database_url,
        "GATEWAY_MIGRATION_URL": migration_url,
        "REDIS_URL": redis_url,
        "DEMO_STORE_URL": Ports.url(ports.store),
        "DEMO_FLOWER_URL": Ports.url(ports.flower),
        "DEMO_SANDBOX_URL": Ports.url(ports.sandbox),
    }


def processes(
    ports: Ports, env: Mapping[str, str], *, var: Path, servers: tuple[str, ...] = SERVERS
) -> list[Process]:
    """Web, relay, a worker per queue, the store and the sandbox.

    `servers` are the names of the embedded servers that the same supervisor runs.
    """
    listed = [
        _process("web", web(ports.web), env, servers, ready=f"{Ports.url(ports.web)}/healthz"),
        _process("relay", (sys.executable, "-m", "workers.relay"), env, servers),
        *(_process(f"worker-{queue}", worker(queue), env, servers) for queue in QUEUES),
        _process(
            "store", store(ports, var), env, ("web",), ready=f"{env['DEMO_STORE_URL']}/healthz"
        ),
    ]
    if env.get("STRIPE_API_BASE") == Ports.url(ports.sandbox):
        health = f"{Ports.url(ports.sandbox)}/_sandbox/health"
        listed.insert(0, _process("sandbox", sandbox(ports, var), env, servers, ready=health))
    return listed


def clockwork(
    ports: Ports, env: Mapping[str, str], *, servers: tuple[str, ...] = SERVERS
) -> list[Process]:
    health = f"{Ports.url(ports.flower)}/healthcheck"
    flower = (*CELERY, "flower", "--address=127.0.0.1", f"--port={ports.flower}")
    beat = (*CELERY, "beat", "-S", "redbeat.RedBeatScheduler", "--pidfile=", "-l", "WARNING")
    return [
        _process("beat", beat, env, servers),
        _process("flower", flower, env, servers, ready=health),
    ]


def _process(
    name: str,
    command: tuple[str, ...],
    env: Mapping[str, str],
    after: tuple[str, ...],
    *,
    ready: str | None = None,
) -> Process:
    return Process(
        name=name,
        command=command,
        env={**os.environ, **env, "PYTHONUNBUFFERED": "1", "GATEWAY_PROCESS": name},
        cwd=ROOT,
        ready=None if ready is None else lambda: answers(ready),
        after=after,
    )


def web(port: int) -> tuple[str, ...]:
    """One worker: a second would take longer to start than a laptop's load is worth."""
    where = ("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port))
    options = ("--blocking-threads", "16", "--no-ws", "--respawn-failed-workers")
    lines = ("--log-config", "deploy/granian-logging.json", "--log-level", "warning")
    return (sys.executable, "-m", "granian", *where, *options, *lines, "wsgi:app")


def worker(queue: str) -> tuple[str, ...]:
    """Threads: a task waits for Stripe or a merchant, each call with a deadline of its own."""
    pool = ("worker", "-Q", queue, "-n", f"{queue}@%h", "-P", "threads", "-c", str(SLOTS[queue]))
    return (*YIELDING, *CELERY, *pool, "-E", "--without-gossip", "--without-mingle", "-l", "INFO")


def sandbox(ports: Ports, var: Path) -> tuple[str, ...]:
    where = ("--port", str(ports.sandbox), "--database", str(var / "sandbox.sqlite3"))
    hook = f"{Ports.url(ports.web)}/webhooks/stripe"
    return (sys.executable, "-m", "gateway.dev.sandbox", *where, "--webhook-url", hook)


def store(ports: Ports, var: Path) -> tuple[str, ...]:
    """An example for merchants: it imports nothing of ours, and we nothing of it."""
    where = ("--port", str(ports.store), "--gateway", Ports.url(ports.web))
    program = str(ROOT / "examples" / "demo_store" / "server.py")
    return (sys.executable, program, *where, "--memory", str(var / "store.json"))


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
