"""What the database refuses the application's role, whatever the code above it does."""

from collections import Counter

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from gateway import app  # noqa: F401 - imports every domain, so every life cycle is known
from gateway.kernel import roles
from gateway.kernel.db import engine, transaction
from gateway.kernel.roles import WrongRole
from gateway.kernel.stateful import Recorded, Stateful
from gateway.migrations.upgrade import migrate, role_of
from gateway.settings import settings

from .support import ACTOR, ONE_OF_EACH, made, order


def kinds(base=Stateful):
    """Every class of rows with a life cycle."""
    found = []
    for child in base.__subclasses__():
        found += ([child] if child is not Recorded else []) + kinds(child)
    return [kind for kind in found if kind.__module__.startswith("gateway.")]


BY_KIND = {kind.KIND: kind for kind in kinds()}


def code(refused):
    return refused.value.orig.pgcode


PRIVILEGE, CHECK = "42501", "23514"


def test_there_is_a_row_of_each_kind_to_try(database):
    assert set(ONE_OF_EACH) == set(BY_KIND)


def test_the_table_of_transitions_is_the_codes(database):
    in_code = Counter(
        (kind.KIND, None if before is None else str(before), str(after))
        for kind in kinds()
        for before, targets in kind.TRANSITIONS.items()
        for after in targets
    )

    with transaction(actor=ACTOR) as tx:
        rows = tx.execute(text("SELECT kind, from_status, to_status FROM transitions"))
        in_database = Counter(tuple(row) for row in rows)

    assert in_database == in_code


def test_every_illegal_transition_is_refused(shop, sql):
    for name, make in ONE_OF_EACH.items():
        row, model = made(make, shop), BY_KIND[name]
        every = {str(s) for targets in model.TRANSITIONS.values() for s in targets} | {"paradise"}
        legal = {str(s) for s in model.TRANSITIONS[row.status]} | {row.status}
        for status in sorted(every - legal):
            with pytest.raises(IntegrityError, match=f"{name} {row.id} cannot go from") as refused:
                sql(f"UPDATE {model.__tablename__} SET status = :s", s=status)
            assert code(refused) == CHECK
        assert sql(f"SELECT status FROM {model.__tablename__} LIMIT 1") == row.status
        sql(f"UPDATE {model.__tablename__} SET status = :s", s=sorted(legal - {row.status})[0])


def test_no_row_can_be_born_in_a_later_state(shop, sql):
    for name, make in ONE_OF_EACH.items():
        row, model = made(make, shop), BY_KIND[name]
        later = str(model.TRANSITIONS[row.status][0])
        columns = [f'"{c.name}"' for c in model.__table__.columns if c.name not in ("id", "status")]
        copied = ", ".join(columns)
        with pytest.raises(IntegrityError, match=f"{name} copy cannot go from  to") as refused:
            sql(
                f"INSERT INTO {model.__tablename__} (id, status, {copied})"
                f" SELECT 'copy', :s, {copied} FROM {model.__tablename__} WHERE id = :id",
                s=later,
                id=row.id,
            )
        assert code(refused) == CHECK


FORBIDDEN = [
    "UPDATE events SET actor = 'nobody'",
    "UPDATE events SET data = '{}'",
    "UPDATE events SET type = 'order.cancelled', position = 1",
    "DELETE FROM events",
    "TRUNCATE events",
    "TRUNCATE events CASCADE",
    "UPDATE transitions SET to_status = 'paradise'",
    "INSERT INTO transitions VALUES ('order', 'cancelled', 'created')",
    "DELETE FROM transitions",
    "UPDATE alembic_version SET version_num = '9999'",
    "DELETE FROM alembic_version",
    "DELETE FROM clock",
    "INSERT INTO clock VALUES (1, 5)",
    "TRUNCATE payments CASCADE",
    "CREATE TABLE backdoor (id integer)",
    "ALTER TABLE events ADD COLUMN extra text",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "DROP TABLE events",
    "DROP TRIGGER guard_events ON events",
    "DROP FUNCTION guard_transition() CASCADE",
    "CREATE OR REPLACE FUNCTION gateway_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
    "CREATE INDEX more ON payments (amount)",
    "SET session_replication_role = replica",
    "SET ROLE gateway_owner",
]


def test_the_applications_role_may_not_touch_history_rules_or_tables(shop, sql):
    made(order, shop)
    before = sql("SELECT array_agg(e)::text FROM events e")

    for statement in FORBIDDEN:
        with pytest.raises(ProgrammingError) as refused:
            sql(statement)
        assert code(refused) == PRIVILEGE, statement

    assert sql("SELECT array_agg(e)::text FROM events e") == before


def test_an_event_is_numbered_once(shop, sql):
    made(order, shop)
    sql("UPDATE events SET position = 1, sequence = 1")

    for change in ("position = 2", "sequence = 7", "position = NULL, sequence = NULL"):
        with pytest.raises(ProgrammingError, match="cannot be changed") as refused:
            sql(f"UPDATE events SET {change}")
        assert code(refused) == PRIVILEGE

    assert sql("SELECT position || ' ' || sequence FROM events") == "1 1"


def test_even_the_owner_cannot_edit_or_empty_the_history(shop, servers, database):
    made(order, shop)
    name = database.rpartition("/")[2].partition("?")[0]
    owner = servers.postgres.url("gateway_owner", name)

    for statement in ("UPDATE events SET actor = 'x'", "DELETE FROM events", "TRUNCATE events"):
        connection = psycopg2.connect(owner)
        with (
            connection.cursor() as cursor,
            pytest.raises(psycopg2.Error, match="cannot be changed"),
        ):
            cursor.execute(statement + (" CASCADE" if statement.startswith("TRUNCATE") else ""))
        connection.close()


def test_two_events_cannot_share_a_number(shop, sql):
    made(order, shop), made(order, shop)

    with pytest.raises(IntegrityError):
        sql("UPDATE events SET position = 1")
    with pytest.raises(IntegrityError):
        sql("UPDATE events SET sequence = 1")


def test_an_amount_out_of_range_is_refused_by_the_database_too(shop, sql):
    row = made(order, shop)
    for amount in (0, -1, 100_000_000):
        with pytest.raises(IntegrityError, match="orders_amount_check"):
            sql("UPDATE orders SET amount = :n WHERE id = :id", n=amount, id=row.id)


def test_more_cannot_be_refunded_than_was_captured(shop, sql):
    made(ONE_OF_EACH["payment"], shop)
    with pytest.raises(IntegrityError, match="payments_refunded_check"):
        sql("UPDATE payments SET amount_captured = 5, amount_refunded = 6")


def test_the_applications_role_passes_the_check_of_roles(database):
    with engine().connect() as connection:
        roles.check(connection.connection.driver_connection)


@pytest.mark.parametrize(("role", "why"), [("postgres", "superuser"), ("gateway_owner", "owns")])
def test_a_role_that_could_change_history_is_refused(servers, database, monkeypatch, role, why):
    name = database.rpartition("/")[2].partition("?")[0]
    monkeypatch.setenv("DATABASE_URL", servers.postgres.url(role, name))
    engine.cache_clear(), settings.cache_clear()

    with pytest.raises(WrongRole, match=why), transaction(actor=ACTOR) as tx:
        tx.execute(text("SELECT 1"))


def test_migrating_twice_changes_nothing(servers, database, shop, sql):
    made(order, shop)
    name = database.rpartition("/")[2].partition("?")[0]

    migrate(migration_url=servers.postgres.url("gateway_owner", name), app_role=role_of(database))

    assert sql("SELECT count(*) FROM orders") == 1
    with pytest.raises(DBAPIError):
        sql("DELETE FROM events")


def test_a_url_without_a_user_names_no_role():
    with pytest.raises(WrongRole):
        role_of("postgresql:///gateway")
