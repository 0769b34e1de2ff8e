"""What attempts say of their endpoint: a circuit per endpoint, and an end to failing for days.

Closed, everything is sent. After failures in a row it opens for a while, longer each time: what
falls due waits in the endpoint's lane. After that it is half-open: one delivery goes as a probe,
and its success closes the circuit and empties the lane. What changes an endpoint needs its lock.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.callbacks.models import (
    Delivery,
    DeliveryStatus,
    DisabledCode,
    Endpoint,
    EndpointStatus,
)
from gateway.callbacks.sender import Result
from gateway.kernel.db import now

FAILURES_TO_OPEN = 10
# One that keeps us waiting takes up a place for seconds: two of these in a row are enough.
SLOW_MS, SLOW_WEIGHS = 2000, 5
LONGEST_OPEN_SECONDS = 120
# A server that answers 429 is left alone, but not by one answer for hours.
LONGEST_REST_SECONDS = 60
GIVE_UP_AFTER, GIVE_UP_EVENTS = timedelta(days=5), 20
PROBE_DISABLED_EVERY = timedelta(hours=1)
_RECENT = 1000  # deliveries looked at to count those that failed

GONE, TOO_MANY_REQUESTS = 410, 429


def lets_through(status: str, open_until: datetime | None, at: datetime) -> bool:
    """Whether an endpoint may be sent anything; while half-open, a probe."""
    if open_until is None:
        return status == EndpointStatus.ENABLED
    return status != EndpointStatus.DELETED and open_until <= at


def succeeded(endpoint: Endpoint) -> None:
    """Closes the circuit; enables one that was disabled for failing, since it works again."""
    endpoint.failures = 0
    endpoint.failing_since = endpoint.open_until = endpoint.last_error = None
    failing = endpoint.disabled_code == DisabledCode.FAILING
    if failing and endpoint.status == EndpointStatus.DISABLED:  # it may be deleted meanwhile
        endpoint.transition_to(EndpointStatus.ENABLED, disabled_code=None, disabled_message=None)


def failed(tx: Session, endpoint: Endpoint, result: Result) -> None:
    """One more failure: opens the circuit, or disables the endpoint, when it is time."""
    endpoint.failures = _failures(tx, endpoint, result)
    endpoint.failing_since = endpoint.failing_since or now(tx)
    endpoint.last_error = result.error
    if endpoint.status == EndpointStatus.DELETED:
        return
    if result.status_code == GONE:
        message = "It answered HTTP 410, which says that it is gone for good."
        _disable(endpoint, DisabledCode.GONE, message, open_until=None)
    elif _is_hopeless(tx, endpoint):
        message = f"Nothing but failures since {endpoint.failing_since:%Y-%m-%d %H:%M} UTC. "
        message += f"The last: {result.error}"
        probe_at = now(tx) + PROBE_DISABLED_EVERY
        _disable(endpoint, DisabledCode.FAILING, message, open_until=probe_at)
    elif (pause := _pause(endpoint, result)) > 0:
        until = now(tx) + timedelta(seconds=pause)
        endpoint.open_until = max(until, endpoint.open_until or until)


def _failures(tx: Session, endpoint: Endpoint, result: Result) -> int:
    """How many there are now. Those beyond what opens the circuit are failed probes, one by one:
    what was on its way as it opened says nothing new.
    """
    if endpoint.failures >= FAILURES_TO_OPEN:
        rests = endpoint.open_until is not None and endpoint.open_until > now(tx)
        return endpoint.failures if rests else endpoint.failures + 1
    slow = result.found_server and result.status_code is None and result.duration_ms >= SLOW_MS
    return min(endpoint.failures + (SLOW_WEIGHS if slow else 1), FAILURES_TO_OPEN)


def _pause(endpoint: Endpoint, result: Result) -> float:
    """Seconds to leave it alone; 0 while its circuit stays closed."""
    asked = 0.0
    if result.status_code == TOO_MANY_REQUESTS:
        asked = min(result.retry_after or 0.0, LONGEST_REST_SECONDS)
    over = endpoint.failures - FAILURES_TO_OPEN
    return max(asked, min(LONGEST_OPEN_SECONDS, 2.0 ** min(over, 20)) if over >= 0 else 0.0)


def _disable(
    endpoint: Endpoint, code: DisabledCode, message: str, *, open_until: datetime | None
) -> None:
    changes: dict[str, Any] = {
        "disabled_code": code,
        "disabled_message": message,
        "open_until": open_until,
    }
    if endpoint.status == EndpointStatus.ENABLED:
        endpoint.transition_to(EndpointStatus.DISABLED, **changes)
    elif endpoint.disabled_code == code:  # its hourly probe has failed
        endpoint.disabled_message, endpoint.open_until = message, open_until
    elif endpoint.disabled_code == DisabledCode.FAILING:
        endpoint.record("endpoint.updated", **changes)


def _is_hopeless(tx: Session, endpoint: Endpoint) -> bool:
    """Days of nothing but failures, of more than a few events; or disabled for that already."""
    if endpoint.status == EndpointStatus.DISABLED:
        return True
    since = endpoint.failing_since
    if since is None or now(tx) - since < GIVE_UP_AFTER:
        return False
    recent = (
        select(Delivery.status, Delivery.attempted)
        .where(Delivery.endpoint_id == endpoint.id)
        .order_by(Delivery.id.desc())
        .limit(_RECENT)
        .subquery()
    )
    in_vain = select(func.count()).where(
        recent.c.attempted > 0, recent.c.status != DeliveryStatus.DELIVERED
    )
    return (tx.scalar(in_vain) or 0) >= GIVE_UP_EVENTS
