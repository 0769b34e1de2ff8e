"""The relay: number new events, insert their deliveries, then hint what is due.

Any number of copies may run, without a leader. One pass is one transaction for numbering and
fan-out, and then, outside any transaction, messages to Celery. This pass is the only sweep: what
is due and unclaimed is hinted, again and again, until somebody has done it.
"""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from os import getpid
from types import FrameType
from typing import Any

from kombu import exceptions
from sqlalchemy import ColumnElement, DateTime, and_, func, literal, null, select, union_all
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.callbacks import service as callbacks
from gateway.callbacks.models import Delivery, Endpoint
from gateway.captures.models import Capture
from gateway.kernel import logs, runs
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import refuse_wrong_role, transaction
from gateway.kernel.due import is_due
from gateway.kernel.events import number_new
from gateway.kernel.heartbeats import EVERY_SECONDS, Heartbeat, Pulse, beat, is_alive
from gateway.kernel.runs import Run
from gateway.orders.models import Order
from gateway.payments.models import Payment
from gateway.reconciliation.subjects import WITH_A_RUN
from gateway.refunds.models import Refund
from workers.app import app
from workers.callbacks import DELIVER, TEND
from workers.clock import START, STEP
from workers.movements import CAPTURE, REFUND
from workers.orders import EXPIRE
from workers.payments import OPENED, POLL, REFRESH, SUBMIT, UNOPENED

EVENTS_PER_PASS = 500
IDLE_SECONDS = 0.05
BUSY_SECONDS = 0.01  # so that a pass finds more than one thing to do
ERROR_SECONDS = 1.0
# A hint that nobody took up in this time was lost, or its queue is long: say it again.
REPEAT_SECONDS = 5.0
# What claims for itself looks again by itself for longer than this.
CALL_AGAIN_SECONDS = 1.0
HINTS_PER_SLOT = 2
WAITING = 2
OVERDUE_EVERY_SECONDS = 5.0

log = logs.get_logger(__name__)

# Task name, id, and when it fell due: a row that was served and is due again is news.
Hint = tuple[str, str, datetime | None]
ALL = "all"  # instead of an id
_NEVER = null().cast(DateTime(timezone=True)).label("due_at")
Send = Callable[[list[Hint]], None]


@dataclass(frozen=True)
class Owed:
    """Rows that make a task necessary when they are due.

    Of those that `can_wait` two are hinted at a time: they queue for a turn of their own and must
    not take the places of others.
    With `at_once` one message stands for all that are due, and for those that will be in the next
    second: the task claims for itself, and looks again for longer than that.
    """

    task: str
    queue: str
    model: Any
    when: ColumnElement[bool] | None = None
    at_once: bool = False
    can_wait: bool = False


OWED = (
    Owed(SUBMIT, "stripe", Payment, and_(UNOPENED, ~Payment.polled)),
    Owed(REFRESH, "stripe", Payment, and_(OPENED, ~Payment.polled)),
    Owed(POLL, "stripe", Payment, and_(OPENED, Payment.polled, ~WITH_A_RUN), can_wait=True),
    Owed(CAPTURE, "stripe", Capture),
    Owed(REFUND, "stripe", Refund),
    Owed(DELIVER, "callbacks", Delivery, at_once=True),
    Owed(TEND, "callbacks", Endpoint),
    Owed(EXPIRE, "clock", Order),
    Owed(STEP, "clock", Run),
)


class Relay:
    """`sent` remembers the hints of the last seconds, so that a pass does not repeat them."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.sent: dict[Hint, float] = {}
        self.looked_overdue = 0.0

    def run_once(self) -> int:
        """One pass; how much it found to do. Raises what the database or the broker raise."""
        numbered = self.number()
        hints = self.fresh(self.due())
        if hints:
            self.send(hints)
            crashpoint("relay hints after")
            self.sent |= dict.fromkeys(hints, time.monotonic())
        return numbered + len(hints)

    def number(self) -> int:
        with transaction(actor="relay:number") as tx:
            span = number_new(tx, limit=EVENTS_PER_PASS)
            if span is None:
                return 0
            crashpoint("relay numbered before fan-out")
            callbacks.fan_out(tx, first=span[0], last=span[1])
            return span[1] - span[0] + 1

    def due(self) -> list[Hint]:
        """What is due now, as many of each kind as its queue's living workers can take up soon."""
        with transaction(actor="relay:due") as tx:
            found = tx.connection().execute(_oldest())
            return [tuple(row) for row in found] + self._overdue(tx)

    def _overdue(self, tx: Session) -> list[Hint]:
        if time.monotonic() - self.looked_overdue < OVERDUE_EVERY_SECONDS:
            return []
        self.looked_overdue = time.monotonic()
        return [(START, job, None) for job in runs.overdue(tx)]

    def fresh(self, hints: Iterable[Hint]) -> list[Hint]:
        """Those not sent in the last seconds."""
        now = time.monotonic()
        self.sent = {hint: at for hint, at in self.sent.items() if now < at + _repeat_after(hint)}
        return [hint for hint in hints if hint not in self.sent]


def _repeat_after(hint: Hint) -> float:
    return CALL_AGAIN_SECONDS if hint[1] == ALL else REPEAT_SECONDS


# Each once in the statement: to plan it takes longer than to carry it out.
_clock = select(func.gateway_now().label("now")).cte("clock").prefix_with("MATERIALIZED")
_living = select(Heartbeat.queue, Heartbeat.slots).where(is_alive()).cte("living")


@cache
def _oldest() -> Any:
    """What is due of each kind, the longest due first, as many as `_most` says.

    One statement, built once: a pass looks many times a second.
    """
    return union_all(*(_due(owed) for owed in OWED))


def _due(owed: Owed) -> Any:
    table = owed.model.__table__.c
    due = is_due(owed.model, select(_clock.c.now).scalar_subquery())
    where = due if owed.when is None else and_(due, owed.when)
    rows = select(literal(owed.task).label("task"), table.id, table.due_at)
    if owed.at_once:
        rows = select(literal(owed.task).label("task"), literal(ALL).label("id"), _NEVER)
    rows = rows.where(where).order_by(table.due_at).limit(_most(owed))
    return select(rows.subquery())


def _most(owed: Owed) -> Any:
    """About twice what its queue's living workers can hold: where nobody would take it, a message
    now only makes a longer queue later.
    """
    slots = func.coalesce(func.sum(_living.c.slots), 0)
    most = HINTS_PER_SLOT * slots
    if owed.at_once or owed.can_wait:
        most = func.least(slots, 1 if owed.at_once else WAITING)
    return select(most).where(_living.c.queue == owed.queue).scalar_subquery()


def publish(hints: list[Hint]) -> None:
    """Through Celery's producer, over one connection, in a batch where the transport can."""
    with app.producer_pool.acquire(block=True) as producer, _batch(producer):
        for task, subject, _ in hints:
            crashpoint("relay hint before")
            app.send_task(task, args=[subject], producer=producer, retry=False)


def _batch(producer: Any) -> Any:
    return producer.batch()  # newer than the type stubs


def broker_errors() -> tuple[Any, ...]:
    """What publishing raises while the broker is away, whichever broker it is."""
    connection = app.connection_for_write()
    return (
        exceptions.KombuError,
        OSError,
        *connection.connection_errors,
        *connection.channel_errors,
    )


class Process:
    """Passes until TERM, and a sign of life every two seconds, the broker's included."""

    def __init__(self) -> None:
        self.relay = Relay(publish)
        self.stopped = threading.Event()
        self.name = f"relay:{socket.gethostname()}:{getpid()}"
        self.broker_errors = broker_errors()
        self.beaten = 0.0

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        log.info("relay started")
        while not self.stopped.is_set():
            self.stopped.wait(self.one_turn())
        log.info("relay stopped")

    def stop(self, _: int, __: FrameType | None) -> None:
        self.stopped.set()

    def one_turn(self) -> float:
        """A pass and, when it is time, a heartbeat; seconds until the next turn."""
        wait = IDLE_SECONDS
        try:
            if self.relay.run_once():
                wait = BUSY_SECONDS
        except self.broker_errors as error:
            log.warning("broker unavailable", error=str(error))
            wait = ERROR_SECONDS
        except SQLAlchemyError as error:
            log.warning("database unavailable", error=str(error).split("\n")[0])
            return ERROR_SECONDS
        if time.monotonic() - self.beaten > EVERY_SECONDS:
            self.beaten = time.monotonic()
            self.say_alive()
        return wait

    def say_alive(self) -> None:
        broker = self.broker_pulse()
        try:
            with transaction(actor="relay:heartbeat") as tx:
                beat(tx, Pulse(self.name, "relay"), broker)
        except SQLAlchemyError as error:
            log.warning("heartbeat failed", error=str(error).split("\n")[0])

    def broker_pulse(self) -> Pulse:
        try:
            with app.connection_for_write() as connection:
                connection.connect()
        except self.broker_errors as error:
            return Pulse("broker", "broker", ok=False, detail=str(error)[:200])
        return Pulse("broker", "broker")


def main() -> None:
    logs.configure("relay")
    refuse_wrong_role()
    Process().run()


if __name__ == "__main__":
    main()
