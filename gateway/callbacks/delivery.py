"""What follows from attempts: for each delivery, and for its endpoint."""

import random
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway.callbacks import batches, circuit, lanes
from gateway.callbacks.batches import Outcome, Taken
from gateway.callbacks.models import DeliveryStatus, Endpoint, EndpointStatus
from gateway.callbacks.sender import Result
from gateway.kernel.db import now
from gateway.settings import settings

MAX_RETRY_AFTER = 86400.0  # seconds; a server may ask for a day, not for ever
JITTER = 0.2

_RECOVERED = text("""
    SELECT id FROM callback_endpoints
    WHERE id = ANY(:ids) AND (failing_since IS NOT NULL OR open_until IS NOT NULL)
""")

Ended = Sequence[tuple[Taken, Result]]


def record(tx: Session, ended: Ended, *, wanting: Mapping[str, int]) -> dict[str, bool]:
    """Keep the attempts, and decide what follows. `wanting` are endpoints whose lane is to let
    out so many. Returns those that were looked after, so that something may be due now, and
    whether each may be sent more.
    """
    touched = _touched(tx, ended, wanting)
    for delivery, result in ended:
        endpoint = touched.get(delivery.endpoint_id)
        if endpoint is None:
            continue
        if result.delivered:
            circuit.succeeded(endpoint)
        else:
            circuit.failed(tx, endpoint, result)
    batches.record(tx, [_outcome(*each, touched.get(each[0].endpoint_id)) for each in ended])
    for endpoint in touched.values():
        if most := wanting.get(endpoint.id):
            endpoint.due_at = lanes.tend(tx, endpoint, most)
        elif endpoint.due_at is not None or endpoint.open_until is not None:
            lanes.look_again(tx, endpoint)
    return {
        endpoint.id: circuit.lets_through(endpoint.status, endpoint.open_until, now(tx))
        for endpoint in touched.values()
    }


def _touched(tx: Session, ended: Ended, wanting: Collection[str]) -> dict[str, Endpoint]:
    """The endpoints that change, locked: those that failed, and those that failed until now. That
    all went well, as mostly, takes one look and no lock.
    """
    failed = {delivery.endpoint_id for delivery, result in ended if not result.delivered}
    well = {delivery.endpoint_id for delivery, _ in ended} - failed
    recovered = tx.connection().execute(_RECOVERED, {"ids": list(well)}).scalars() if well else ()
    ids = failed | set(wanting) | set(recovered)
    return {endpoint.id: endpoint for endpoint in lanes.locked(tx, sorted(ids))} if ids else {}


def _outcome(delivery: Taken, result: Result, endpoint: Endpoint | None) -> Outcome:
    made = delivery.attempted + 1
    if result.delivered:
        return Outcome(delivery, result, DeliveryStatus.DELIVERED, None)
    status = EndpointStatus.ENABLED if endpoint is None else endpoint.status
    if status == EndpointStatus.DISABLED:  # waits for it to be enabled, however often it was tried
        return Outcome(delivery, result, DeliveryStatus.PENDING, None)
    if status == EndpointStatus.DELETED or made >= len(settings().retry_intervals):
        return Outcome(delivery, result, DeliveryStatus.EXHAUSTED, None)
    wait = wait_before(made + 1, retry_after=result.retry_after)
    return Outcome(delivery, result, DeliveryStatus.PENDING, wait)


def wait_before(attempt: int, *, retry_after: float | None = None) -> float:
    """Seconds to wait before attempt `attempt` (from 1), jitter and the server's wish included."""
    planned = settings().retry_intervals[attempt - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311
    return max(planned, min(retry_after or 0.0, MAX_RETRY_AFTER))
