"""`./run demo`: the whole gateway on this machine, one real payment, and a card of what to try.

Standard output is the card, or one line with `--json`; everything else goes to standard error and
to files under `var/logs`. Ctrl-C leaves no process and no port behind.
"""

import argparse
import fcntl
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import text

from gateway.dev.embedded import APP, OWNER, Postgres, Redis, ensure_database
from gateway.dev.machine import Unusable, free_port
from gateway.dev.places import DEMO_ENV, DEMO_LOCK, VAR
from gateway.dev.seed import KEY, SECRET, seed
from gateway.dev.stack import Ports, clockwork, environment, processes
from gateway.dev.supervisor import Supervisor
from gateway.dev.walk import Stuck, Walk, Walked, wait_for
from gateway.kernel.db import engine, transaction
from gateway.kernel.roles import WrongRole
from gateway.migrations.upgrade import migrate, role_of
from gateway.settings import InvalidSettings

DATABASE = "gateway"
PREFERRED = {"sandbox": 4242, "store": 8001, "flower": 5555}
READY_SECONDS = 60


def main() -> None:
    options = _options()
    began = time.monotonic()
    try:
        with _alone():
            code = _demo(options, began)
    except (Unusable, Stuck, TimeoutError, WrongRole, InvalidSettings) as error:
        say(f"The demo did not start: {error}\nThe logs are in {VAR / 'logs'}.")
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run demo", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--once", action="store_true", help="end after the payment (0: it went well)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON line instead of the card"
    )
    parser.add_argument("--port", type=_port, default=8000, help="of the gateway; default 8000")
    return parser.parse_args()


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("must be a number from 1 to 65535")
    return int(text)


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Two demos in one folder would share a database and fight."""
    VAR.mkdir(exist_ok=True)
    with DEMO_LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unusable("a demo runs in this folder already; end it first.") from None
        yield


def _demo(options: argparse.Namespace, began: float) -> int:
    ports = _ports(options.port)
    postgres = None if os.environ.get("DATABASE_URL") else Postgres.at(VAR / "postgres")
    scratch = [postgres.sockets] if postgres else []
    with Supervisor([], VAR / "logs", on_event=_tell, scratch=scratch) as supervisor:
        env, servers = _servers(supervisor, ports, postgres)
        os.environ.update(env)
        _prepare(env, ports)
        supervisor.add(*processes(ports, env, var=VAR, servers=servers))
        _write_env(env)
        try:
            supervisor.wait_ready(READY_SECONDS, ["web", "store"])
            wait_for("/readyz", lambda: _well(Ports.url(ports.web)), seconds=READY_SECONDS)
            say("Paying once through the whole path ...")
            walk = Walk(Ports.url(ports.web), Ports.url(ports.store))
            walked = walk.pay(shopper=env.get("STRIPE_API_BASE") == Ports.url(ports.sandbox))
            if walked.behind and options.once:
                raise Stuck(f"the callback waits behind {walked.behind} of earlier payments")
            if not options.once:  # one payment needs neither beat nor Flower
                supervisor.add(*clockwork(ports, env, servers=servers))
                supervisor.wait_ready(READY_SECONDS)
            _report(options, ports, walked, time.monotonic() - began)
            if not options.once:
                supervisor.run_forever()
        finally:
            DEMO_ENV.unlink(missing_ok=True)
    return 0


def _ports(web: int) -> Ports:
    wanted = {"web": web} | PREFERRED
    found: dict[str, int] = {}
    for name, port in wanted.items():
        found[name] = free_port(port)
        if found[name] != port:
            say(f"Port {port} is taken; {name} uses {found[name]}.")
    return Ports(**found)


def _servers(
    supervisor: Supervisor, ports: Ports, postgres: Postgres | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The environment, and the names of the servers we run because none was given."""
    urls = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "GATEWAY_MIGRATION_URL")}
    redis_url = os.environ.get("REDIS_URL", "")
    names: list[str] = []
    if postgres:
        postgres.prepare()
        supervisor.add(postgres.process())
        names.append("postgres")
        urls = {
            "DATABASE_URL": postgres.url(APP, DATABASE),
            "GATEWAY_MIGRATION_URL": postgres.url(OWNER, DATABASE),
        }
    elif not urls["GATEWAY_MIGRATION_URL"]:
        raise Unusable("DATABASE_URL is set: set GATEWAY_MIGRATION_URL, the owner's, as well.")
    if not redis_url:
        redis = Redis(VAR / "redis", free_port())
        redis.prepare()
        supervisor.add(redis.process())
        names.append("redis")
        redis_url = redis.url
    say("Starting PostgreSQL and Redis ..." if names else "Using the given servers ...")
    supervisor.wait_ready(READY_SECONDS)
    if postgres:
        ensure_database(postgres, DATABASE)
    env = environment(
        ports,
        os.environ,
        database_url=urls["DATABASE_URL"],
        migration_url=urls["GATEWAY_MIGRATION_URL"],
        redis_url=redis_url,
        secret_key=_secret_key(),
    )
    return env, tuple(names)


def _secret_key() -> str:
    """The same in every demo of this folder: what was stored under it must stay readable."""
    given = os.environ.get("GATEWAY_SECRET_KEY")
    path = VAR / "secret_key"
    if not given and not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return given or path.read_text().strip()


def _prepare(env: dict[str, str], ports: Ports) -> None:
    role = role_of(env["DATABASE_URL"])
    migrate(migration_url=env["GATEWAY_MIGRATION_URL"], app_role=role)
    seed((Ports.url(ports.store),))
    with transaction(actor="operator:demo") as tx:
        tx.execute(text("UPDATE clock SET offset_seconds = 0"))
    engine().dispose()


def _write_env(env: dict[str, str]) -> None:
    new = DEMO_ENV.with_suffix(".new")
    new.touch(mode=0o600)
    lines = [f"{name}={value}" for name, value in sorted(env.items())]
    new.write_text(
        "# Written by a running demo; the gateway command reads it.\n" + "\n".join(lines) + "\n"
    )
    new.rename(DEMO_ENV)


def _tell(name: str, words: str) -> None:
    if words != "is ready":
        say(f"{name} {words}")


def _well(gateway: str) -> bool:
    """Every process works; what an earlier demo left behind may still need attention."""
    checks = requests.get(f"{gateway}/readyz", timeout=5).json()["checks"]
    needed = ("database", "migrations", "relay", "workers", "broker")
    return all(checks.get(name, {}).get("ok") for name in needed)


def _report(options: argparse.Namespace, ports: Ports, walked: Walked, seconds: float) -> None:
    urls = {name: Ports.url(getattr(ports, name)) for name in ("sandbox", "store", "flower")}
    facts: dict[str, Any] = {
        "gateway": Ports.url(ports.web),
        **urls,
        "payment_id": walked.payment_id,
        "status": walked.status,
        "callback_verified": walked.callback_verified,
        "seconds": round(seconds, 1),
    }
    print(json.dumps(facts) if options.json else card(facts, walked), flush=True)


def card(facts: dict[str, Any], walked: Walked) -> str:
    told = f"waits behind {walked.behind} of earlier payments" if walked.behind else "-"
    if walked.callback:
        told = f"{walked.callback['body']['type']}, signature verified by the store"
    return f"""
  The gateway runs. One payment went through the whole path in {facts["seconds"]} s:

    payment    {facts["payment_id"]}  {facts["status"]}
    callback   {told}

    gateway    {facts["gateway"]}   (/docs to try it, /readyz)
    store      {facts["store"]}   buy something
    Stripe     {facts["sandbox"]}   the sandbox: no money moves
    Flower     {facts["flower"]}   the workers
    logs       {Path(VAR / "logs")}

    key        {KEY}
    secret     {SECRET}

  Try it:

    curl {facts["gateway"]}/api/v1/payments \\
      -H 'X-Api-Key: {KEY}' -H 'X-Api-Secret: {SECRET}' \\
      -H 'Content-Type: application/json' \\
      -d '{{"order_id": "my-first-order", "amount": 1999, "currency": "EUR"}}'

  Then GET /api/v1/payments/<id> shows its checkout_url. Commands: .venv/bin/gateway --help
  Ctrl-C ends everything; ./run reset forgets it all.
"""


if __name__ == "__main__":
    main()
