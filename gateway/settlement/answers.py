"""What a worker has heard when it asked Stripe to capture or to refund.

That it was done is only news: the payment is looked at again, and `apply` moves the row. A refusal
is proof, so the row ends here; silence is none, so the same is asked again.
"""

from typing import Any

from sqlalchemy.orm import Session

from gateway.captures.models import Capture, CaptureStatus
from gateway.kernel.due import Claim, is_ours, postpone, settle
from gateway.payments import service as payments
from gateway.processor.types import NotThere, Refused, Replayed
from gateway.refunds.models import Refund, RefundStatus
from gateway.settlement.holding import below
from gateway.settlement.movements import lost

FAILED = {Capture: CaptureStatus.FAILED, Refund: RefundStatus.FAILED}


def done(tx: Session, claimed: Claim[Any], stripe_refund_id: str | None = None) -> None:
    """Stripe has done it, or has begun to."""
    _, row = below(tx, claimed.row)
    if not is_ours(row, claimed):
        return
    if stripe_refund_id is not None and row.stripe_refund_id is None:
        row.stripe_refund_id = stripe_refund_id
    settle(tx, row, claimed, due_in=None)
    payments.make_due(tx, row.payment_id)
    if claimed.attempts > 1:
        payments.note_call(tx, claimed, row.payment_id, "done")


def refused(tx: Session, claimed: Claim[Any], error: Refused) -> None:
    _, row = below(tx, claimed.row)
    if not is_ours(row, claimed):
        return
    settle(tx, row, claimed, due_in=None)
    status = FAILED[type(row)]
    if row.status == "pending":
        row.transition_to(status, failure_code=error.code, failure_message=error.message)
        if isinstance(row, Refund):
            row.needs_attention = lost(row)
    payments.make_due(tx, row.payment_id)
    payments.note_call(tx, claimed, row.payment_id, "refused", error.message)


def unanswered(tx: Session, claimed: Claim[Any], error: Exception, *, attention: bool) -> None:
    _, row = below(tx, claimed.row)
    if not is_ours(row, claimed):
        return
    if isinstance(error, Replayed):
        row.look_first = True
    if isinstance(error, NotThere):
        row.ask_anew(tx)
    payments.note_call(tx, claimed, row.payment_id, "unanswered", str(error))
    postpone(tx, row, claimed, why=str(error), attention=attention)
