"""`gateway migrate`: bring the schema to head and give the application's role its rights."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from gateway.kernel.roles import WrongRole
from gateway.settings import psycopg2_url

_RIGHTS = (
    "GRANT USAGE ON SCHEMA public TO {app}",
    "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {app}",
    # Only bookkeeping that has served its time may go.
    "GRANT DELETE ON idempotency_keys, runs, heartbeats, stripe_calls TO {app}",
    "GRANT DELETE ON callback_attempts, callback_deliveries, run_subjects TO {app}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app}",
    "REVOKE UPDATE ON events, stock_movements FROM {app}",
    "GRANT UPDATE (position, sequence) ON events TO {app}",
    "REVOKE INSERT, UPDATE ON transitions, alembic_version FROM {app}",
    "REVOKE INSERT ON clock FROM {app}",
)


def migrate(*, migration_url: str, app_role: str) -> None:
    """To head, in one transaction; safe to run twice and at once (it waits on a lock)."""
    engine = create_engine(psycopg2_url(migration_url))
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('gateway migrate'))"))
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _grant(connection, app_role)
    engine.dispose()


def _grant(connection: Connection, app_role: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote(app_role)
    for right in _RIGHTS:
        connection.execute(text(right.format(app=quoted)))


def role_of(url: str) -> str:
    role = make_url(psycopg2_url(url)).username
    if not role:
        raise WrongRole("DATABASE_URL names no user; the application needs a role of its own.")
    return role
