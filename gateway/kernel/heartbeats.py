"""Signs of life: one row per process and per thing it can reach, read by `/readyz` and the relay.

Rows, not Redis: the web process needs no Redis, and a dead process cannot say that it is dead.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.kernel.db import Base

EVERY_SECONDS = 2
STALE_SECONDS = 10


class Heartbeat(Base):
    """`ok` is false when the process lives but what it reports on does not answer."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]  # relay | worker | broker
    queue: Mapped[str | None]
    slots: Mapped[int] = mapped_column(default=0)
    ok: Mapped[bool]
    detail: Mapped[str | None]
    seen_at: Mapped[datetime]


@dataclass(frozen=True)
class Pulse:
    name: str
    kind: str
    ok: bool = True
    queue: str | None = None
    slots: int = 0
    detail: str | None = None


# Built once. Wall time on purpose: moving the gateway's clock must not make the living look dead.
_new = insert(Heartbeat).values(
    {name: bindparam(name) for name in Pulse.__dataclass_fields__} | {"seen_at": func.now()}
)
_BEAT = _new.on_conflict_do_update(
    index_elements=["name"],
    set_={column.name: _new.excluded[column.name] for column in Heartbeat.__table__.c},
)


def beat(tx: Session, *pulses: Pulse) -> None:
    tx.connection().execute(_BEAT, [vars(pulse) for pulse in pulses])


def is_alive() -> ColumnElement[bool]:
    """What was heard of in the last ten seconds."""
    return Heartbeat.seen_at > func.now() - timedelta(seconds=STALE_SECONDS)


def alive(tx: Session) -> list[Heartbeat]:
    return list(tx.scalars(select(Heartbeat).where(is_alive()).order_by(Heartbeat.name)))
