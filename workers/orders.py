"""Order tasks: what nobody has begun to pay in time ends by itself. Asks nobody."""

from gateway.kernel.db import transaction
from gateway.kernel.due import claim
from gateway.orders.models import Order
from gateway.settlement.cancel import expire_order
from workers.app import task

EXPIRE = "orders.expire"


@task(EXPIRE)
def expire(order_id: str) -> None:
    with transaction(actor=f"task:{EXPIRE}") as tx:
        claimed = claim(tx, Order, order_id)
    if claimed is None:
        return
    with transaction(actor=f"task:{EXPIRE}") as tx:  # apart, so that a fault here counts as a try
        expire_order(tx, claimed)
