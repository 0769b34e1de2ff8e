"""Looking after an endpoint: another secret, a test, a pause and its end. It sends nothing.

Whoever enables an endpoint makes it due: what waits in its lane is then released.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from gateway.callbacks.models import Endpoint
from gateway.callbacks.service import hold, sealed_secret
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
