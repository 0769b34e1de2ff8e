"""`python -m gateway.dev.sandbox`: start the sandbox. Only reads arguments and environment."""

import argparse
import os
import tempfile
from pathlib import Path

from gateway.dev.sandbox.server import serve

# Only this sandbox signs with it, and only when nobody configured another.
DEFAULT_SECRET = "whsec_sandbox"


def main() -> None:
    given = _arguments()
    with tempfile.TemporaryDirectory(
        prefix="stripe-sandbox-", ignore_cleanup_errors=True
    ) as scratch:
        serve(
            host=given.host,
            port=given.port,
            database=given.database or Path(scratch) / "sandbox.sqlite3",
            webhook_url=given.webhook_url or None,
            webhook_secret=given.webhook_secret,
            clock_url=given.clock_url or None,
        )


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
