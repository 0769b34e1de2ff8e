"""HTTP for captures."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.captures import service
from gateway.captures.models import Capture
from gateway.captures.schemas import CaptureCreate, CaptureSchema
from gateway.kernel.errors import NotFound
from gateway.kernel.fields import PageQuery
from gateway.kernel.http import Api, Caller
from gateway.kernel.owned import own
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret

api = Api("captures", authenticate=by_secret)


@api.write(
    "/payments/<payment_id>/capture",
    accepts=CaptureCreate(),
    returns=CaptureSchema(),
    status=201,
    refuses=(
        NotFound,
        service.PaymentNotCapturable,
        service.CapturePending,
        service.CaptureExceedsAuthorized,
    ),
)
def create_capture(tx: Session, caller: Caller, body: dict[str, Any], payment_id: str) -> Capture:
    """Capture what an authorized payment holds, or a part of it.

    Once: the rest goes back to the shopper. Wait for `payment.succeeded`, or read the capture.
    """
    return service.create(tx, caller, payment_id, **body)


@api.read("/payments/<payment_id>/captures", query=PageQuery(), returns=CaptureSchema())
def list_captures(tx: Session, caller: Caller, query: dict[str, Any], payment_id: str) -> Page:
    """List the captures of a payment, newest first.

    Those made in Stripe's dashboard are among them.
    """
    return service.listed(tx, caller, payment_id, query)


@api.read("/captures/<capture_id>", returns=CaptureSchema())
def read_capture(tx: Session, caller: Caller, capture_id: str) -> Capture:
    """Read a capture."""
    return own(tx, caller, Capture, capture_id)
