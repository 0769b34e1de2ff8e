"""An operator decides about a payment whose figures at Stripe are not ours.

Only the wish is written here: `apply` goes on from it as soon as Stripe has been asked again.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.kernel.db import now
from gateway.kernel.errors import Conflict
from gateway.payments.models import Payment, PaymentStatus, Resolution
from gateway.refunds import service as refunds
from gateway.settlement import compensate
from gateway.settlement.holding import family


class PaymentNotUnderReview(Conflict):
    """Only a payment under review waits for an operator's decision."""

    code, title = "payment_not_under_review", "Nothing is to be decided."


class PaymentBeingRefunded(Conflict):
    """Nothing is fulfilled for money that goes back."""

    code, title = "payment_being_refunded", "The money is on its way back."


def waiting(tx: Session) -> list[Payment]:
    """Every payment under review, oldest first."""
    rows = select(Payment).where(Payment.status == PaymentStatus.REVIEW).order_by(Payment.id)
    return list(tx.scalars(rows))


def resolve(tx: Session, payment_id: str, resolution: Resolution) -> Payment:
    """Accept the figures that Stripe reports, or give everything back."""
    _, payment, _ = family(tx, payment_id)
    if payment.status != PaymentStatus.REVIEW:
        raise PaymentNotUnderReview(
            f"Payment {payment.id} is {payment.status}; only one under review can be decided on."
        )
    left = refunds.unrefunded(tx, payment)
    if resolution == Resolution.ACCEPT and left < payment.amount_captured:
        raise PaymentBeingRefunded(
            f"{payment.amount_captured - left} of {payment.amount_captured} {payment.received_in}"
            f" of payment {payment.id} are refunded or about to be; it cannot be accepted any more."
            + (f" `gateway review {payment.id} refund` gives back the rest." if left else "")
        )
    accepted = payment.reported if resolution == Resolution.ACCEPT else payment.accepted
    if (payment.resolution, payment.accepted) != (resolution, accepted):
        payment.record("payment.updated", resolution=resolution, accepted=accepted)
    payment.due_at, payment.polled = now(tx), False
    if resolution == Resolution.REFUND:
        compensate.give_back(tx, payment, compensate.REVIEWED, again=True)
    return payment
