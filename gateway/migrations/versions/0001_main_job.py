"""Merchants, orders, payments, events, callbacks, Stripe events, runs, and their guards."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("There is nothing before the first version.")
