"""Looking after an endpoint: another secret, a test, a pause and its end. It sends nothing.

Whoever enables an endpoint makes it due: what waits in its lane is then released.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from gateway.callbacks import circuit
from gateway.callbacks.catalogue import TESTED
from gateway.callbacks.models import DisabledCode, Endpoint, EndpointStatus
from gateway.callbacks.service import hold, refuse_disabled, sealed_secret
from gateway.kernel.db import now
from gateway.kernel.http import Caller


def rotate_secret(
    tx: Session, caller: Caller, endpoint_id: str, *, overlap_seconds: int
) -> Endpoint:
    """A new secret signs from now on; the one before it signs too until the overlap is over."""
    endpoint = hold(tx, caller, endpoint_id)
    overlap = timedelta(seconds=overlap_seconds)
    endpoint.record(
        "endpoint.updated",
        sealed_secret=sealed_secret(endpoint.id),
        previous_sealed_secret=endpoint.sealed_secret if overlap else None,
        previous_until=now(tx) + overlap if overlap else None,
    )
    return endpoint


def send_test(tx: Session, caller: Caller, endpoint_id: str) -> dict[str, str]:
    """An event for this endpoint and whoever else wants it; what is needed to find its delivery."""
    endpoint = hold(tx, caller, endpoint_id)
    refuse_disabled(endpoint)
    event_id = endpoint.record("endpoint.tested")
    return {"event_id": event_id, "type": TESTED, "endpoint_id": endpoint.id}


def disable(tx: Session, caller: Caller, endpoint_id: str, *, reason: str | None) -> Endpoint:
    """A pause: what happens meanwhile waits. One that is disabled already stays as it is."""
    endpoint = hold(tx, caller, endpoint_id)
    if endpoint.status == EndpointStatus.ENABLED:
        endpoint.transition_to(
            EndpointStatus.DISABLED,
            disabled_code=DisabledCode.PAUSED,
            disabled_message=reason or "Paused by the merchant.",
            open_until=None,
        )
    return endpoint


def enable(tx: Session, caller: Caller, endpoint_id: str) -> Endpoint:
    """What waits is sent. One that was given up gets a single callback first, as a probe.

    It is not known to fail any more: the time it was disabled does not count as failing. But if
    the probe fails, the others go on waiting.
    """
    endpoint = hold(tx, caller, endpoint_id)
    if endpoint.status == EndpointStatus.DISABLED:
        paused = endpoint.disabled_code == DisabledCode.PAUSED
        endpoint.transition_to(
            EndpointStatus.ENABLED,
            disabled_code=None,
            disabled_message=None,
            failures=0 if paused else circuit.FAILURES_TO_OPEN,
            failing_since=None,
            open_until=None if paused else now(tx),
            due_at=now(tx),
        )
    return endpoint
