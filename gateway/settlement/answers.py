"""What a worker has heard when it asked Stripe to capture or to refund.

That it was done is only news: the payment is looked at again, and `apply` moves the row. A refusal
is proof, so the row ends here; silence is none, so the same is asked again.
"""

from sqlalchemy.orm import Session

from gateway.captures.models import Capture, CaptureStatus
from gateway.kernel.due import Claim, is_ours, postpone
from gateway.payments import service as payments
from gateway.processor.types import NotThere, Refused, Replayed
from gateway.refunds.models import RefundStatus
from gateway.settlement.holding import Movement, below, settle_below
from gateway.settlement.refunding import show_failure


def done(tx: Session, claimed: Claim[Movement], stripe_refund_id: str | None = None) -> None:
    """Stripe has done it, or has begun to."""
    _, _, row = below(tx, claimed)
    if not is_ours(row, claimed):
        return
    if not isinstance(row, Capture) and row.stripe_refund_id is None:
        row.stripe_refund_id = stripe_refund_id
    settle_below(tx, row, claimed)
    payments.make_due(tx, row.payment_id)
    if claimed.attempts > 1:
        payments.note_call(tx, claimed, row.payment_id, "done")


def refused(tx: Session, claimed: Claim[Movement], error: Refused) -> None:
    order, payment, row = below(tx, claimed)
    if not is_ours(row, claimed):
        return
    settle_below(tx, row, claimed)
    why = {"failure_code": error.code, "failure_message": error.message}
    if isinstance(row, Capture):
        if row.status == CaptureStatus.PENDING:
            row.transition_to(CaptureStatus.FAILED, **why)
    elif row.status == RefundStatus.PENDING:
        row.transition_to(RefundStatus.FAILED, **why)
        show_failure(tx, order, payment, row)
    payments.make_due(tx, row.payment_id)
    payments.note_call(tx, claimed, row.payment_id, "refused", error.message)


def unanswered(tx: Session, claimed: Claim[Movement], error: Exception, *, attention: bool) -> None:
    _, _, row = below(tx, claimed)
    if not is_ours(row, claimed):
        return
    if isinstance(error, Replayed):
        row.look_first = True
    if isinstance(error, NotThere):
        row.ask_anew(tx)
    payments.note_call(tx, claimed, row.payment_id, "unanswered", str(error))
    postpone(tx, row, claimed, why=str(error), attention=attention)
