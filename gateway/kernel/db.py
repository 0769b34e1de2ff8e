"""The database: one declarative base, one engine, one way to open a transaction.

A transaction names its actor and never contains network I/O: adapters call
`assert_no_transaction()` first, and PostgreSQL ends a transaction that idles for 5 s.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    Engine,
    MetaData,
    Select,
    Text,
    bindparam,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

from gateway.kernel import roles
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.errors import NotFound
from gateway.settings import settings

# Milliseconds. A lock is held for the length of one short transaction, so two seconds of waiting
# mean trouble; the caller gets a 503 and tries again. Every statement here touches few rows, which
# memory or a fast disk holds: a plan that reads a whole table instead is a mistake.
SESSION_OPTIONS = (
    "-c timezone=UTC -c lock_timeout=2000 -c statement_timeout=5000"
    " -c idle_in_transaction_session_timeout=5000 -c random_page_cost=1.1"
)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


Row = TypeVar("Row", bound=Base)


# As many as a process has threads that use them, and a few for its own housekeeping.
POOL_SIZE, SPARE = 16, 4


@cache
def engine() -> Engine:
    made = create_engine(
        settings().database_url,
        connect_args={"options": SESSION_OPTIONS, "connect_timeout": 3},
        pool_size=POOL_SIZE,
        max_overflow=SPARE,
        pool_timeout=5,
        hide_parameters=True,  # merchants' data and answers have no place in logs
        pool_use_lifo=True,  # lets spare connections of a quiet hour time out at the server
    )
    event.listen(made, "connect", lambda connection, _: roles.check(connection))
    return made


def refuse_wrong_role() -> None:
    """Called as a process starts. Raises `WrongRole`; a database that is away is checked later."""
    with suppress(OperationalError), engine().connect():
        pass


_inside: ContextVar[bool] = ContextVar("inside_transaction", default=False)


@contextmanager
def transaction(actor: str) -> Iterator[Session]:
    """Everything inside the block commits together, or none of it does.

    `actor` (`<kind>:<id>`) says on whose behalf the block runs; every event written inside
    carries it. Never talk to the network inside the block.
    """
    if _inside.get():
        raise RuntimeError("transactions do not nest: pass `tx` down instead")
    mark = _inside.set(True)
    try:
        with Session(engine(), expire_on_commit=False) as tx, tx.begin():
            tx.info["actor"] = actor
            yield tx
            tx.flush()
            crashpoint(f"{actor} before commit")
        crashpoint(f"{actor} after commit")
    finally:
        _inside.reset(mark)


def assert_no_transaction() -> None:
    """Adapters call this before they touch the network."""
    if _inside.get():
        raise RuntimeError("no network inside a transaction")


_NOW = select(func.gateway_now())


def now(tx: Session) -> datetime:
    """`gateway_now()`: the one clock, in UTC; the same instant all through a transaction."""
    at: datetime | None = tx.info.get("now")
    if at is None:
        at = tx.info["now"] = tx.connection().execute(_NOW).scalar_one()
    return at


def remember_now(tx: Session, at: datetime) -> None:
    """For who has read `gateway_now()` along with something else: it need not be asked again."""
    tx.info["now"] = at


def held(rows: Select[Row]) -> Select[Row]:
    """The rows as they are now, kept from changing (FOR NO KEY UPDATE) until the block ends."""
    locked = rows.with_for_update(key_share=True)
    return locked.execution_options(populate_existing=True)


@cache
def _locking(model: Any) -> Any:
    """Built once: a statement costs more to build than to send."""
    return held(select(model).filter_by(id=bindparam("id")))


def lock(tx: Session, model: type[Row], id: str) -> Row:
    """Fetch a row fresh and hold it (FOR NO KEY UPDATE) until the transaction ends.

    Always in the order: order, its payments by id, captures and refunds, inventory by SKU.
    """
    row: Row | None = tx.scalar(_locking(model), {"id": id})
    if row is None:
        raise NotFound(f"There is no {model.__tablename__} row {id}.")
    return row
