"""Replays: what an endpoint has been told is told again, what it never heard is told too.

A replay is a run. Each step puts one batch into the endpoint's lane and writes down how far it is
come, in one short transaction; nothing is sent from here. Pace, fairness and an open circuit are
the lane's business, so that a replay of any length floods nobody.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from gateway.callbacks.models import Delivery, DeliveryStatus, Endpoint, EndpointStatus
from gateway.callbacks.service import add_deliveries, get, hold, refuse_disabled, wanted
from gateway.kernel import runs
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import held, lock, now
from gateway.kernel.errors import Conflict, Invalid, NotFound
from gateway.kernel.events import Event
from gateway.kernel.http import Caller, Reply
from gateway.kernel.pages import Page, page
from gateway.kernel.runs import Run, RunStatus

JOB = "replay"
BATCH = 300  # deliveries of one step: some 0.15 s, for which the row of the endpoint is locked
WINDOW = 10_000  # events that one step looks at, at most, when few of them are wanted
COUNTED = 50_000  # events that a dry run looks at: some 0.3 s, if they are in memory
# An event has its transaction's time, and its number from when that was committed: what is older
# may come later, by as long as a transaction takes, of which no statement may take five seconds.
SKEW = timedelta(minutes=1)
ENDED = (DeliveryStatus.DELIVERED, DeliveryStatus.EXHAUSTED)


class ReplayRunning(Conflict):
    """An endpoint has one replay at a time. Wait until the one that is named is over."""

    code, title = "replay_running", "A replay of this endpoint is under way."


@dataclass(frozen=True)
class Asked:
    """The events of this time, or those of them whose delivery has this status."""

    since: datetime
    until: datetime
    status: str | None


@dataclass(frozen=True)
class Replay:
    """A run as its merchant sees it; without id and status it was only counted."""

    endpoint_id: str
    asked: Asked
    total: int
    done: int
    deliveries: int
    id: str | None = None
    status: str | None = None
    error: str | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None

    @classmethod
    def of(cls, run: Run) -> Self:
        params = run.params or {}
        return cls(
            id=run.id,
            endpoint_id=str(run.subject_id),
            status=run.status,
            asked=_asked(params),
            total=run.total or 0,
            done=run.done,
            deliveries=params["deliveries"],
            error=run.error,
            created_at=run.created_at,
            finished_at=run.finished_at,
        )


def ask(
    tx: Session, caller: Caller, endpoint_id: str, *, dry_run: bool, **asked: Any
) -> Reply[Replay]:
    """Begin a replay, or only count."""
    if dry_run:
        return Reply(count(tx, get(tx, caller, endpoint_id), **asked), 200)
    return Reply(begin(tx, hold(tx, caller, endpoint_id), **asked), 202)


def begin(
    tx: Session,
    endpoint: Endpoint,
    *,
    since: datetime,
    until: datetime | None = None,
    status: str | None = None,
) -> Replay:
    """A run that is due now. The endpoint is locked: of two at once the second is refused."""
    asked, numbers = _looked_up(tx, endpoint, since, until, status)
    params = {
        "since": asked.since.isoformat(),
        "until": asked.until.isoformat(),
        "status": asked.status,
        "next": numbers.start,
        "stop": numbers.stop,
        "deliveries": 0,
    }
    run = runs.start(tx, JOB, subject_id=endpoint.id, total=len(numbers), params=params)
    return Replay.of(run)


def count(
    tx: Session,
    endpoint: Endpoint,
    *,
    since: datetime,
    until: datetime | None = None,
    status: str | None = None,
) -> Replay:
    """What `begin` would come to, or refuse; of very many events the first are looked at."""
    asked, numbers = _looked_up(tx, endpoint, since, until, status)
    seen = numbers[:COUNTED]
    # Window by window: for many at once PostgreSQL would rather read every delivery there is.
    windows = [seen[start : start + WINDOW] for start in range(0, len(seen), WINDOW)]
    counts = [
        tx.scalar(_told(endpoint, asked, each).with_only_columns(func.count()).order_by(None)) or 0
        for each in windows
    ]
    return Replay(endpoint.id, asked, total=len(numbers), done=len(seen), deliveries=sum(counts))


def _looked_up(
    tx: Session, endpoint: Endpoint, since: datetime, until: datetime | None, status: str | None
) -> tuple[Asked, range]:
    asked = Asked(since, until or now(tx), status)
    if asked.since >= asked.until:
        raise Invalid.param("since", f"Must be before {asked.until.isoformat()}.")
    refuse_disabled(endpoint)
    running = tx.scalar(_mine(endpoint).where(Run.status == RunStatus.PENDING).limit(1))
    if running is not None:
        raise ReplayRunning(
            f"Replay {running.id} is under way. See how far it is:"
            f" GET /api/v1/webhook-endpoints/{endpoint.id}/replays/{running.id}."
        )
    return asked, _numbers(tx, endpoint, asked)


def _mine(endpoint: Endpoint) -> Select[Any]:
    return select(Run).where(Run.subject_id == endpoint.id, Run.job == JOB)


def read(tx: Session, caller: Caller, endpoint_id: str, run_id: str) -> Replay:
    found = tx.scalar(_mine(get(tx, caller, endpoint_id)).where(Run.id == run_id))
    if found is None:
        raise NotFound(f"There is no replay {run_id!r} of endpoint {endpoint_id}.")
    return Replay.of(found)


def listed(tx: Session, caller: Caller, endpoint_id: str, query: dict[str, Any]) -> Page:
    found = page(tx, _mine(get(tx, caller, endpoint_id)), Run, **query)
    return Page(data=[Replay.of(run) for run in found.data], has_more=found.has_more)


def _asked(params: dict[str, Any]) -> Asked:
    since, until = (datetime.fromisoformat(params[name]) for name in ("since", "until"))
    return Asked(since, until, params["status"])


def _own_events(endpoint: Endpoint) -> ColumnElement[bool]:
    return and_(Event.merchant_id == endpoint.merchant_id, Event.livemode == endpoint.livemode)


def _numbers(tx: Session, endpoint: Endpoint, asked: Asked) -> range:
    """The sequence numbers among which the events of that time are, and a few around them.

    Numbers have no gaps and times rise with them, so some twenty looks at the feed's index find
    the place in a history of any length; an index of its own would cost every event.
    """
    feed = _own_events(endpoint)
    at = select(Event.created_at).where(feed, Event.sequence == bindparam("number"))

    def born(number: int) -> datetime:
        return tx.execute(at, {"number": number}).scalar_one()

    last = tx.scalar(select(func.max(Event.sequence)).where(feed)) or 0
    numbers = range(1, last + 1)
    start = bisect_left(numbers, asked.since - SKEW, key=born)
    stop = bisect_left(numbers, asked.until + SKEW, lo=start, key=born)
    return numbers[start:stop]


def _told(endpoint: Endpoint, asked: Asked, numbers: range) -> Select[Any]:
    """Its events among these numbers, in order, each with its delivery if there is one."""
    chosen = _again(asked) if asked.status else or_(Delivery.id.is_(None), _again(asked))
    rows: Any = select(Event.sequence, Event.id, Event.type, Delivery.id).select_from(Event)
    own = (Delivery.event_id == Event.id) & (Delivery.endpoint_id == endpoint.id)
    found: Select[Any] = rows.join(Endpoint, Endpoint.id == endpoint.id).outerjoin(Delivery, own)
    return found.where(
        _own_events(endpoint),
        Event.sequence.between(numbers.start, numbers.stop - 1),
        Event.created_at >= asked.since,
        Event.created_at < asked.until,
        wanted(),
        chosen,
    ).order_by(Event.sequence)


def _again(asked: Asked) -> ColumnElement[bool]:
    """The deliveries that go back into the lane: not what is there, or on its way just now."""
    if asked.status is None:
        return Delivery.status.in_(ENDED)
    free = or_(Delivery.leased_until.is_(None), Delivery.leased_until <= func.gateway_now())
    waits = and_(Delivery.due_at.is_not(None), free)
    return and_(Delivery.status == asked.status, or_(Delivery.status.in_(ENDED), waits))


def step(tx: Session, run: Run) -> bool:
    """One batch into the lane. True when the run has ended."""
    endpoint = lock(tx, Endpoint, str(run.subject_id))
    if endpoint.status == EndpointStatus.DELETED:
        run.finish(tx, RunStatus.FAILED, error="The endpoint was deleted.")
        return True
    params = dict(run.params or {})
    asked, numbers = _asked(params), range(params["next"], params["stop"])[:WINDOW]
    batch = tx.execute(_told(endpoint, asked, numbers).limit(BATCH)).all() if numbers else []
    if batch:
        params["deliveries"] += _into_the_lane(tx, endpoint, asked, batch)
    params["next"] = batch[-1].sequence + 1 if len(batch) == BATCH else numbers.stop
    run.params = params
    run.done = (run.total or 0) - (params["stop"] - params["next"])
    crashpoint("replay batch in the lane")
    if params["next"] >= params["stop"]:
        run.finish(tx, RunStatus.SUCCEEDED)
    return run.status != RunStatus.PENDING


def _into_the_lane(tx: Session, endpoint: Endpoint, asked: Asked, batch: Any) -> int:
    """How many; those that somebody else took up since they were read are left out."""
    known = [delivery_id for *_, delivery_id in batch if delivery_id is not None]
    again = select(Delivery).where(Delivery.id.in_(known), _again(asked)).order_by(Delivery.id)
    moved = tx.scalars(held(again)).all()
    for delivery in moved:
        if delivery.status != DeliveryStatus.PENDING:
            delivery.transition_to(DeliveryStatus.PENDING)
        delivery.due_at = None
    fresh = [
        (event_id, type, endpoint.merchant_id, endpoint.livemode, endpoint.id)
        for _, event_id, type, delivery_id in batch
        if delivery_id is None
    ]
    add_deliveries(tx, fresh, due_at=None)
    endpoint.due_at = now(tx)
    return len(moved) + len(fresh)
