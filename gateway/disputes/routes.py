"""HTTP for disputes, which are answered at Stripe."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.disputes import service
from gateway.disputes.models import Dispute
from gateway.disputes.schemas import DisputeQuery, DisputeSchema
from gateway.kernel.http import Api, Caller
from gateway.kernel.owned import own
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret

api = Api("disputes", authenticate=by_secret)


@api.read("/disputes", query=DisputeQuery(), returns=DisputeSchema())
def list_disputes(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """List disputes, newest first."""
    return service.listed(tx, caller, query)


@api.read("/disputes/<dispute_id>", returns=DisputeSchema())
def read_dispute(tx: Session, caller: Caller, dispute_id: str) -> Dispute:
    """Read a dispute.

    It is answered in Stripe's dashboard, before `respond_by`.
    """
    return own(tx, caller, Dispute, dispute_id)


@api.read("/payments/<payment_id>/disputes", query=DisputeQuery(), returns=DisputeSchema())
def list_payment_disputes(
    tx: Session, caller: Caller, query: dict[str, Any], payment_id: str
) -> Page:
    """List the disputes of a payment, newest first."""
    return service.listed(tx, caller, query, payment_id)
