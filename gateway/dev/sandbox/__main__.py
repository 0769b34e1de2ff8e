"""`python -m gateway.dev.sandbox`: start the sandbox. Only reads arguments and environment."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.dev.sandbox.server import serve

# Only this sandbox signs with it, and only when nobody configured another.
DEFAULT_SECRET = "whsec_sandbox"


def main() -> None:
    given = _arguments()
    with _database(given.database) as database:
        serve(
            host=given.host,
            port=given.port,
            database=database,
            webhook_url=given.webhook_url or None,
            webhook_secret=given.webhook_secret,
            clock_url=given.clock_url or None,
        )


@contextmanager
def _database(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with TemporaryDirectory(prefix="stripe-sandbox-", ignore_cleanup_errors=True) as scratch:
        yield Path(scratch) / "sandbox.sqlite3"


def _arguments() -> argparse.Namespace:
    environ = os.environ
    secret = environ.get("STRIPE_WEBHOOK_SECRET", "").split(",")[0].strip() or DEFAULT_SECRET
    parser = argparse.ArgumentParser(prog="sandbox", description="A stateful local Stripe.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(environ.get("SANDBOX_PORT") or 4242))
    parser.add_argument("--database", type=Path, help="SQLite file; a temporary one by default")
    parser.add_argument("--webhook-url", default=environ.get("SANDBOX_WEBHOOK_URL"))
    parser.add_argument("--webhook-secret", default=secret)
    parser.add_argument(
        "--clock-url",
        default=environ.get("DATABASE_URL"),
        help="the gateway's PostgreSQL, which holds the shared clock",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
