"""HTTP for a payment's story."""

from sqlalchemy.orm import Session

from gateway.kernel.http import Api, Caller
from gateway.merchants.auth import by_secret
from gateway.timeline import service
from gateway.timeline.schemas import TimelineSchema
from gateway.timeline.service import Timeline

api = Api("timeline", authenticate=by_secret)


@api.read("/payments/<payment_id>/timeline", returns=TimelineSchema())
def read_timeline(tx: Session, caller: Caller, payment_id: str) -> Timeline:
    """Read what happened to a payment, and what happens next.

    Its events and its order's, the calls to Stripe that failed or told something new, the events
    from Stripe and what was made of them, and every attempt to tell you.
    """
    return service.of(tx, caller, payment_id)
