"""`./run torture --permutations`: Stripe's news in every order, on servers of its own.

Starts PostgreSQL, migrates a database, serves a Stripe in this process, and plays. It must never
be pointed at a database that anybody uses: it makes its own and removes it.
"""

import argparse
import json
import os
import random
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
ABOUT = """\
Every scenario's events are told to the gateway in every order, some twice and some never, with
work done in between or left undone; then polls and one reconciliation repair what was lost. Each
order has to lead to one state, one set of events and one set of effects at Stripe.

A scenario with more than six events is played in all orders of its six most telling ones (what
ends a session, a refund or a dispute, then intents, then charges), while the others keep their
natural places. What comes by chance depends on the seed and the order alone.

Exit status: 0 if no order differs, 1 if one does (the first is told in full), 2 for wrong usage.
"""


def main() -> int:
    options = _options()
    if not options.permutations:
        print("./run torture has only --permutations so far; see --help.", file=sys.stderr)
        return 2
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run torture",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--permutations", action="store_true", help="every order of Stripe's news")
    parser.add_argument("--scenario", metavar="NAME", help="only this one")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N orders per scenario")
    parser.add_argument("--seed", type=int, help="the same number repeats what came by chance")
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(10**6)
    return options


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
