"""Read what is known of disputes. They come and go with Stripe's news, which settlement applies."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.disputes.models import Dispute, DisputeStatus
from gateway.kernel.errors import Invalid
from gateway.kernel.http import Caller
from gateway.kernel.pages import Page, page
from gateway.payments import service as payments


def listed(
    tx: Session, caller: Caller, query: dict[str, Any], payment_id: str | None = None
) -> Page:
    """All of the caller's, or those of one payment."""
    mine = select(Dispute).filter_by(merchant_id=caller.merchant_id, livemode=caller.livemode)
    status = query["status"]
    if status not in (None, *DisputeStatus):
        raise Invalid.param("status", f"Must be one of {', '.join(DisputeStatus)}.")
    filters = [] if status is None else [Dispute.status == status]
    if payment_id is not None:
        filters.append(Dispute.payment_id == payments.get(tx, caller, payment_id).id)
    limits = {name: query[name] for name in ("limit", "starting_after")}
    return page(tx, mine, Dispute, *filters, **limits)
