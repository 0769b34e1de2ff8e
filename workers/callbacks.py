"""The callback task: claim a delivery, post it, write down the attempt."""

from datetime import UTC, datetime

from gateway.callbacks import delivery
from gateway.callbacks.models import Delivery
from gateway.callbacks.sender import post
from gateway.callbacks.signing import headers_of
from gateway.kernel.db import lock, transaction
from gateway.kernel.due import claim
from gateway.kernel.logs import get_logger
from workers.app import task

log = get_logger(__name__)

DELIVER = "callbacks.deliver"


@task(DELIVER)
def deliver(delivery_id: str) -> None:
    with transaction(actor=f"task:{DELIVER}") as tx:
        claimed = claim(tx, Delivery, delivery_id)
    if claimed is None:
        return
    with transaction(actor=f"task:{DELIVER}") as tx:  # apart, so that a fault here counts as a try
        outgoing = delivery.prepare(tx, lock(tx, Delivery, delivery_id))
    if outgoing is None:
        return
    headers = headers_of(
        event_id=outgoing.event_id,
        body=outgoing.body,
        secrets=outgoing.secrets,
        at=datetime.now(UTC),
    )
    result = post(outgoing.url, headers=headers, body=outgoing.body)
    log.info("callback", status=result.status_code, error=result.error, ms=result.duration_ms)
    with transaction(actor=f"task:{DELIVER}") as tx:
        delivery.record(tx, claimed, result)
