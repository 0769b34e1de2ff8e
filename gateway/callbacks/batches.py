"""Deliveries by the batch, one statement each: take what is due, write down what came of it, put
back what cannot be sent now.

The same rules as everywhere (`kernel.due`): a claim leaves `due_at` and crashes with its lease, an
outcome is written only under the lease it was claimed with, and news about a row that came in
between (a merchant asks for another attempt) is not lost. Never talks to the network.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from gateway.callbacks.models import Delivery, DeliveryStatus, Endpoint, secret_row
from gateway.callbacks.sender import Result
from gateway.callbacks.signing import Told, body_of
from gateway.kernel.due import claiming_oldest
from gateway.kernel.events import Event
from gateway.kernel.logs import get_logger
from gateway.kernel.seal import unseal

log = get_logger(__name__)

# A claim that is lost in a crash of the server was never made: nobody needs to wait for the disk.
_NO_WAIT = text("SET LOCAL synchronous_commit = off")

_claimed = claiming_oldest(Delivery).c
_TAKE = (
    select(
        *(_claimed[name] for name in ("id", "lease", "due_at", "attempted", "event_id")),
        *(Event.type, Event.subject_id, Event.created_at, Event.sequence, Event.data),
        *(Endpoint.id.label("endpoint_id"), Endpoint.status, Endpoint.url, Endpoint.open_until),
        *(Endpoint.sealed_secret, Endpoint.previous_sealed_secret, Endpoint.previous_until),
        Endpoint.due_at.is_not(None).label("has_lane"),
        func.gateway_now().label("at"),
    )
    .join(Event, Event.id == _claimed.event_id)
    .join(Endpoint, Endpoint.id == _claimed.endpoint_id)
    .order_by(_claimed.due_at, Event.position)
)

_RECORD = text("""
    WITH ended AS (
        SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(
            id text, lease bigint, due_at timestamptz, status text, wait double precision,
            started_at timestamptz, duration_ms bigint, status_code bigint, error text,
            headers jsonb, body text)
    ), told AS (
        UPDATE callback_deliveries d SET
            attempted = d.attempted + 1,
            attempts = 0,
            leased_until = NULL,
            needs_attention = NULL,
            updated_at = gateway_now(),
            status = CASE WHEN d.due_at = v.due_at THEN v.status ELSE d.status END,
            due_at = CASE WHEN d.due_at = v.due_at
                THEN gateway_now() + make_interval(secs => v.wait) ELSE d.due_at END
        FROM ended v WHERE d.id = v.id AND d.lease = v.lease AND d.leased_until IS NOT NULL
        RETURNING d.id, d.lease, d.attempted
    )
    INSERT INTO callback_attempts (delivery_id, number, started_at, recorded_at, duration_ms,
        status_code, error, response_headers, response_body)
    SELECT told.id, told.attempted, v.started_at, gateway_now(), v.duration_ms,
        v.status_code, v.error, v.headers, v.body
    FROM told JOIN ended v ON v.id = told.id AND v.lease = told.lease
""")

_PUT_BACK = text("""
    UPDATE callback_deliveries d SET
        attempts = greatest(d.attempts - 1, 0),
        leased_until = NULL,
        updated_at = gateway_now(),
        status = coalesce(v.status, d.status),
        due_at = CASE WHEN v.status IS NULL AND (v.keeps_due OR d.due_at <> v.due_at)
            THEN d.due_at END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS v(id text, lease bigint, due_at timestamptz, status text, keeps_due boolean)
    WHERE d.id = v.id AND d.lease = v.lease
""")


@dataclass(slots=True, eq=False)
class Taken:
    """A claimed delivery with everything that sending it needs, and how its endpoint stood."""

    id: str
    lease: int
    due_at: datetime
    attempted: int  # attempts made before
    endpoint_id: str
    endpoint_status: str
    open_until: datetime | None
    has_lane: bool
    at: datetime  # of the claim
    event_id: str
    url: str
    secrets: tuple[str, ...]
    body: bytes


@dataclass(slots=True, eq=False)
class Outcome:
    """What came of a delivery: its next status, and the seconds until it is due again, if ever."""

    delivery: Taken
    result: Result
    status: DeliveryStatus
    wait: float | None


def take(tx: Session, most: int) -> list[Taken]:
    """Claim up to `most` of what is due and free, the longest due first."""
    connection = tx.connection()
    connection.execute(_NO_WAIT)
    found = []
    for row in connection.execute(_TAKE, {"most": most}):
        try:
            found.append(_taken(row))
        except Exception as error:  # that row's own: its lease runs out, and others go on
            log.error("callback cannot be made", delivery=row.id, exc_info=error)
    return found


def _taken(row: Any) -> Taken:
    sealed = [row.sealed_secret]
    if row.previous_until is not None and row.at < row.previous_until:
        sealed.append(row.previous_sealed_secret)
    bound_to = secret_row(row.endpoint_id)
    return Taken(
        id=row.id,
        lease=row.lease,
        due_at=row.due_at,
        attempted=row.attempted,
        endpoint_id=row.endpoint_id,
        endpoint_status=row.status,
        open_until=row.open_until,
        has_lane=row.has_lane,
        at=row.at,
        event_id=row.event_id,
        url=row.url,
        secrets=tuple(_opened(each, bound_to) for each in sealed),
        body=body_of(
            Told(row.event_id, row.type, row.subject_id, row.created_at, row.sequence, row.data)
        ),
    )


@lru_cache(maxsize=10_000)
def _opened(sealed: str, bound_to: str) -> str:
    return unseal(sealed, bound_to=bound_to)


def record(tx: Session, outcomes: Sequence[Outcome]) -> None:
    """Keep every attempt, and move each delivery on; nothing of those whose claim was lost."""
    rows = [
        _key(outcome.delivery)
        | {
            "status": outcome.status,
            "wait": outcome.wait,
            "started_at": outcome.result.started_at.isoformat(),
            "duration_ms": outcome.result.duration_ms,
            "status_code": outcome.result.status_code,
            "error": outcome.result.error,
            "headers": outcome.result.headers,
            "body": outcome.result.body,
        }
        for outcome in outcomes
    ]
    _execute(tx, _RECORD, rows)


def put_away(tx: Session, deliveries: Sequence[Taken]) -> None:
    """Into their lanes. The caller has locked the endpoints and sees to their due times."""
    _execute(tx, _PUT_BACK, [_key(each) | {"keeps_due": False} for each in deliveries])


def give_back(tx: Session, deliveries: Sequence[Taken]) -> None:
    """As if they had not been claimed: somebody else may send them now."""
    _execute(tx, _PUT_BACK, [_key(each) | {"keeps_due": True} for each in deliveries])


def drop(tx: Session, deliveries: Sequence[Taken]) -> None:
    """Their endpoint is gone: nobody is told."""
    ended = {"keeps_due": False, "status": DeliveryStatus.EXHAUSTED}
    _execute(tx, _PUT_BACK, [_key(each) | ended for each in deliveries])


def _key(delivery: Taken) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "lease": delivery.lease,
        "due_at": delivery.due_at.isoformat(),
    }


def _execute(tx: Session, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        tx.connection().execute(statement, {"rows": json.dumps(rows)})
