"""Which database role runs the gateway: one that owns nothing, so that history holds against it."""

from typing import Any


class WrongRole(Exception):
    """The application's role could change history: it is a superuser or owns tables."""


_WHO = """
    SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
        EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user)
"""


def check(connection: Any) -> None:
    """Raises `WrongRole` unless this DBAPI connection's role is held by the guards."""
    with connection.cursor() as cursor:
        cursor.execute(_WHO)
        role, superuser, owner = cursor.fetchone()
    connection.rollback()
    if superuser or owner:
        why = "is a superuser" if superuser else "owns tables"
        raise WrongRole(
            f"DATABASE_URL connects as {role!r}, which {why}. Give the application a role that"
            " owns nothing, and put the owner's into GATEWAY_MIGRATION_URL for `gateway migrate`."
        )
