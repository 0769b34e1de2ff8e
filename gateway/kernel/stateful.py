"""Rows with a life cycle: a status anyone may read and only `transition_to` may write.

`Stateful` is any such row, with what it owes to the outside world and when. `Recorded` is one
whose every change is also an event: write one and you have written the other.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Self

from marshmallow import Schema
from sqlalchemy import exists, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    Mapped,
    Session,
    make_transient_to_detached,
    mapped_column,
    object_session,
)
from sqlalchemy.orm.attributes import get_history

from gateway.kernel import events
from gateway.kernel.db import now
from gateway.kernel.errors import IllegalTransition
from gateway.kernel.events import Event
from gateway.kernel.ids import new_id
from gateway.kernel.logs import current_request_id

Transitions = Mapping[StrEnum | None, tuple[StrEnum, ...]]  # None is "not born yet"


class Stateful:
    """Columns: `due_at` is null when nothing is owed; `lease` numbers the claims and never
    decreases; `attempts` counts tries since the last success; `needs_attention` says in words
    why somebody should look, and is null when all is well.
    """

    KIND: ClassVar[str]
    PREFIX: ClassVar[str]
    TRANSITIONS: ClassVar[Transitions]
    __table__: ClassVar[Any]

    id: Mapped[str] = mapped_column(primary_key=True)
    _status: Mapped[str] = mapped_column("status")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    lease: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    needs_attention: Mapped[str | None]

    @hybrid_property
    def status(self) -> str:
        return self._status

    @classmethod
    def start(cls, tx: Session, **fields: Any) -> Self:
        """Create a row in the first state of its life cycle."""
        row = cls._draft(tx, fields)
        tx.connection().execute(_insert(cls.__table__), row._values())
        return row._begin(tx)

    @classmethod
    def start_once(cls, tx: Session, **fields: Any) -> Self | None:
        """As `start`, or None if a row with one of its unique keys exists already.

        Waits for a concurrent transaction that is writing the same key.
        """
        row = cls._draft(tx, fields)
        if tx.connection().execute(_insert_once(cls.__table__), row._values()).first() is None:
            return None
        return row._begin(tx)

    @classmethod
    def _draft(cls, tx: Session, fields: dict[str, Any]) -> Self:
        (first,) = cls.TRANSITIONS[None]
        born: dict[str, Any] = {"created_at": now(tx), "updated_at": now(tx), "_status": first}
        model: Any = cls
        if strange := fields.keys() - (_defaults(model).keys() - {"_status"}):
            raise TypeError(f"{cls.__name__} cannot start with {', '.join(sorted(strange))}")
        row = cls()
        # As if it had been loaded: nobody else knows it, so there is no change to keep track of.
        row.__dict__ |= _defaults(model) | {"id": new_id(cls.PREFIX)} | born | fields
        return row

    def _values(self) -> dict[str, Any]:
        model: Any = type(self)
        return {column.key: getattr(self, name) for name, column in _columns(model).items()}

    def _begin(self, tx: Session) -> Self:
        # The row was written by one plain INSERT; this tells the session that it exists, which
        # is several times cheaper than the unit of work on the path every payment takes.
        make_transient_to_detached(self)
        tx.add(self)
        self._changed(tx, before=None, tells=None)
        return self

    def can(self, status: StrEnum) -> bool:
        return status in self.TRANSITIONS.get(self._status, ())  # type: ignore[call-overload]

    def transition_to(self, status: StrEnum, *, tells: str | None = None, **changes: Any) -> None:
        """Move to `status` and apply `changes`, with the event if this kind records them.

        `tells` names the event where `<kind>.<status>` would be the wrong word for it.
        """
        before = self._status
        if not self.can(status):
            raise IllegalTransition(f"{self.KIND} {self.id} cannot go from {before} to {status}.")
        if get_history(self, "_status").has_changes():
            self._session().flush()  # the database guards each arrow, so it must see each
        self._status = status
        self._changed(self._apply(changes), before=before, tells=tells)

    def _apply(self, changes: dict[str, Any]) -> Session:
        tx = self._session()
        for name, value in changes.items():
            setattr(self, name, value)
        self.updated_at = now(tx)
        return tx

    def _session(self) -> Session:
        tx = object_session(self)
        if tx is None:
            raise RuntimeError("a stateful row changes only inside a transaction")
        return tx

    def _changed(self, tx: Session, *, before: str | None, tells: str | None) -> None:
        """What else a change writes; nothing, for rows that have a log of their own."""


class Recorded(Stateful):
    """A stateful row of a merchant whose every change is an event, in the same transaction."""

    SCHEMA: ClassVar[Schema]

    merchant_id: Mapped[str]
    livemode: Mapped[bool]

    def record(self, type: str, **changes: Any) -> str:
        """Apply `changes` that move no status, and write them down as an event of `type`.

        Returns the event's id.
        """
        return self._tell(self._apply(changes), type, before=self._status)

    def _changed(self, tx: Session, *, before: str | None, tells: str | None) -> None:
        self._tell(tx, tells or self._event_type(tx, before), before=before)

    def _tell(self, tx: Session, type: str, *, before: str | None) -> str:
        event_id = new_id("evt")
        events.record(
            tx,
            id=event_id,
            type=type,
            subject_id=self.id,
            merchant_id=self.merchant_id,
            livemode=self.livemode,
            from_status=before,
            to_status=self._status,
            actor=tx.info["actor"],
            request_id=current_request_id(),
            data=self.SCHEMA.dump(self),
            created_at=now(tx),
        )
        return event_id

    def _event_type(self, tx: Session, before: str | None) -> str:
        """`<kind>.created`, then `<kind>.<status>` on the first entry and `.updated` on others:
        who acts on `order.payment_failed` must not act twice.
        """
        if before is None:
            return f"{self.KIND}.created"
        model: Any = type(self)
        if before != _first(model) and self._status in _reenterable(model):
            events.write_recorded(tx)
            been = exists().where(Event.subject_id == self.id, Event.to_status == self._status)
            if tx.scalar(select(been)):
                return f"{self.KIND}.updated"
        return f"{self.KIND}.{self._status}"


@cache
def _insert(table: Any) -> Any:
    """Made once: a statement costs more to build than to send."""
    return insert(table)


@cache
def _insert_once(table: Any) -> Any:
    return upsert(table).on_conflict_do_nothing().returning(table.c.id)


@cache
def _first(model: Any) -> str | None:
    """The status every row is born with, if none ever returns to it: nothing was entered before."""
    (first,) = model.TRANSITIONS[None]
    return None if first in _reenterable(model) else str(first)


@cache
def _columns(model: Any) -> dict[str, Any]:
    """Attribute name -> column, for every column of the table."""
    place = model.__mapper__.get_property_by_column
    return {place(column).key: column for column in model.__table__.columns}


@cache
def _defaults(model: Any) -> dict[str, Any]:
    return {
        name: column.default.arg if column.default is not None else None
        for name, column in _columns(model).items()
    }


@cache
def _reenterable(model: Any) -> frozenset[str]:
    """The statuses that lie on a cycle of the life cycle."""

    def reach(status: StrEnum) -> set[StrEnum]:
        seen: set[StrEnum] = set()
        todo = [status]
        while todo:
            fresh = set(model.TRANSITIONS.get(todo.pop(), ())) - seen
            seen |= fresh
            todo += fresh
        return seen

    statuses = {status for targets in model.TRANSITIONS.values() for status in targets}
    return frozenset(str(status) for status in statuses if status in reach(status))
