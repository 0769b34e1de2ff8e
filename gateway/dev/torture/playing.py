"""`./run torture --permutations`: Stripe's news in every order, on servers of its own.

Starts PostgreSQL, migrates a database, serves a Stripe in this process, and plays. It must never
be pointed at a database that anybody uses: it makes its own and removes it.
"""

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.dev import embedded
from gateway.dev.torture.settings import SETTINGS
from gateway.dev.torture.stripe_side import Stripe, stripe
from gateway.migrations.upgrade import migrate

DATABASE = "gateway_torture"
EVERY_SECONDS = 5.0


def play(options: argparse.Namespace) -> int:
    """The exit status."""
    with stripe() as own, _gateway(own) as postgres:
        found = run(postgres, own, options)
    if options.json:
        print(json.dumps(found), flush=True)
    else:
        print("{orders} orders of {scenarios} scenarios in {seconds} s, with --seed {seed}:"
              " {violations} violations.".format(**found))  # fmt: skip
    return 1 if found["violations"] else 0


def run(postgres: embedded.Postgres, own: Stripe, options: argparse.Namespace) -> dict[str, Any]:
    """Play until an order differs, or to the end."""
    # Modules that read the settings as they are imported, so the environment comes first.
    from gateway.dev.seed import seed
    from gateway.dev.torture.permutations import Theatre, every, orders_of
    from gateway.dev.torture.scenarios import SCENARIOS
    from gateway.dev.torture.stage import Stage
    from wsgi import app

    began, orders, wrong = time.monotonic(), 0, ""
    chosen = [each for each in SCENARIOS if options.scenario in (None, each.name)]
    if not chosen:
        names = ", ".join(each.name for each in SCENARIOS)
        sys.exit(f"There is no scenario {options.scenario!r}. There are {names}.")
    seed()
    with embedded.superuser(postgres, DATABASE) as cursor:
        stage = Stage(cursor, app.test_client(), own)
        for scenario in chosen:
            theatre = Theatre(stage, scenario, str(options.seed))
            total = orders_of(len(theatre.events), options.limit)
            told = Progress(scenario.name, len(theatre.events), total)
            wrong = "\n".join(theatre.undeclared())
            for play in every(theatre.events, str(options.seed), options.limit):
                if wrong := wrong or str(theatre.play(play) or ""):
                    break
                orders += 1
                told.one_more()
            if wrong:
                _say(f"{scenario.name}:\n{wrong}")
                break
    return {
        "seed": options.seed,
        "scenarios": len(chosen),
        "orders": orders,
        "violations": int(bool(wrong)),
        "seconds": round(time.monotonic() - began, 1),
    }


class Progress:
    """A line per scenario, and one every few seconds."""

    def __init__(self, name: str, events: int, total: int) -> None:
        self.name, self.total, self.done = name, total, 0
        self.said = time.monotonic()
        _say(f"{name}: {events} events, {total} orders ...")

    def one_more(self) -> None:
        self.done += 1
        if time.monotonic() - self.said > EVERY_SECONDS:
            self.said = time.monotonic()
            _say(f"  {self.name}: {self.done} of {self.total}")


@contextmanager
def _gateway(own: Stripe) -> Iterator[embedded.Postgres]:
    """A migrated database, and the environment of this process set to it."""
    with embedded.temporary_servers() as servers:
        embedded.ensure_database(servers.postgres, DATABASE)
        os.environ |= SETTINGS | {
            "GATEWAY_ENV": "test",
            "GATEWAY_SECRET_KEY": secrets.token_hex(32),
            "GATEWAY_BASE_URL": "http://127.0.0.1:8000",
            "GATEWAY_LOG_LEVEL": "ERROR",
            "DATABASE_URL": servers.postgres.url(embedded.APP, DATABASE),
            "REDIS_URL": servers.redis.url,
            "STRIPE_SECRET_KEY": "sk_test_torture",
            "STRIPE_WEBHOOK_SECRET": "whsec_" + secrets.token_hex(16),
            "STRIPE_API_BASE": own.url,
        }
        owner = servers.postgres.url(embedded.OWNER, DATABASE)
        migrate(migration_url=owner, app_role=embedded.APP)
        yield servers.postgres


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
