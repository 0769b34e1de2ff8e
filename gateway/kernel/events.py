"""The event log: every change of state, written in the transaction that made it.

One row serves four readers: the audit trail (who changed what, from, to), the outbox (a row
without a position is still to be relayed), the merchants' feed and the body of their callbacks.
Rows are never edited; the relay alone numbers them, once. The database refuses anything else.
A transaction's events are written together as it ends: several changes, one statement.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index, event, insert, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import Base


class Event(Base):
    __tablename__ = "events"

    seq: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    subject_id: Mapped[str]
    merchant_id: Mapped[str]
    livemode: Mapped[bool]
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    actor: Mapped[str]
    request_id: Mapped[str | None]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    # Both are gap-free and follow the order in which changes became visible, which `seq` does
    # not: it is handed out before the commit. `sequence` counts per merchant and mode.
    position: Mapped[int | None] = mapped_column(unique=True)
    sequence: Mapped[int | None]

    __table_args__ = (
        Index("events_unnumbered_idx", "seq", postgresql_where=text("position IS NULL")),
        Index("events_feed_idx", "merchant_id", "livemode", "sequence", unique=True),
        Index("events_subject_idx", "subject_id", "seq"),
    )


_INSERT = insert(Event.__table__)  # type: ignore[arg-type]  # Base says FromClause
_PENDING = "events"  # in the transaction's `info`


def record(tx: Session, **values: Any) -> None:
    """One more for this transaction to write; `values` are those of the row's columns."""
    tx.info.setdefault(_PENDING, []).append(values)


@event.listens_for(Session, "before_commit")
def write_recorded(tx: Session) -> None:
    """Whoever asks the table for events of the same transaction calls this first."""
    if recorded := tx.info.pop(_PENDING, None):
        crashpoint("events before insert")  # the rows they tell of may be written already
        tx.connection().execute(_INSERT, recorded)
        crashpoint("events after insert")


# A statement before the next one, which is to see all that was numbered before the lock was had.
_LOCK_IF_ANY = text("""
    SELECT pg_try_advisory_xact_lock(hashtext('relay'))
    FROM (SELECT FROM events WHERE position IS NULL LIMIT 1) AS fresh
""")
_NUMBER = text("""
    WITH fresh AS (
        SELECT seq, merchant_id, livemode FROM events
        WHERE position IS NULL ORDER BY seq LIMIT :limit
    ), numbered AS (
        SELECT fresh.seq,
            (SELECT coalesce(max(position), 0) FROM events)
                + row_number() OVER (ORDER BY fresh.seq) AS position,
            (SELECT coalesce(max(e.sequence), 0) FROM events e
                WHERE e.merchant_id = fresh.merchant_id AND e.livemode = fresh.livemode)
                + row_number() OVER (
                    PARTITION BY fresh.merchant_id, fresh.livemode ORDER BY fresh.seq
                ) AS sequence
        FROM fresh
    )
    UPDATE events SET position = numbered.position, sequence = numbered.sequence
    FROM numbered WHERE events.seq = numbered.seq
    RETURNING events.position
""")


def number_new(tx: Session, *, limit: int) -> tuple[int, int] | None:
    """Number what was committed since the last pass; the first and last position, or None.

    One at a time: another relay's pass that holds the lock makes this one do nothing.
    """
    if not tx.connection().execute(_LOCK_IF_ANY).scalar():
        return None
    positions = tx.scalars(_NUMBER, {"limit": limit}).all()
    return (min(positions), max(positions)) if positions else None
