"""Alembic's entry. The connection is handed over by `upgrade.migrate`, inside its transaction."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=False)
context.run_migrations()
