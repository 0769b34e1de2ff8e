"""Payment tasks: claim the row, ask Stripe, write down the answer.

`submit` opens the hosted page of a payment that has none, `refresh` asks where a payment stands,
having ended there what is to end; `poll` does so when only time has passed.
"""

from contextlib import suppress

from gateway.kernel.db import transaction
from gateway.kernel.due import Claim, claim
from gateway.kernel.logs import get_logger
from gateway.payments.models import Payment
from gateway.processor import client, movements, pace
from gateway.processor.types import (
    CheckoutSession,
    Misconfigured,
    NotThere,
    ProcessorError,
    Refused,
    Unanswered,
)
from gateway.settlement import apply as settlement
from gateway.settlement.requests import (
    Intentions,
    intentions,
    is_late,
    is_unwanted,
    session_request,
)
from gateway.stripe_events import service as stripe_events
from workers.app import task

log = get_logger(__name__)

SUBMIT, REFRESH, POLL = "payments.submit", "payments.refresh", "payments.poll"
UNOPENED, OPENED = Payment.stripe_session_id.is_(None), Payment.stripe_session_id.is_not(None)
TURN_SECONDS = 2.0  # to wait for; who has none until then is hinted again


@task(SUBMIT)
def submit(payment_id: str) -> None:
    with transaction(actor=f"task:{SUBMIT}") as tx:
        claimed = claim(tx, Payment, payment_id, when=UNOPENED)
    if claimed is None:
        return
    with transaction(actor=f"task:{SUBMIT}") as tx:  # apart, so that a fault here counts as a try
        request = session_request(tx, claimed)
    if request is None:
        return
    try:
        session = client.open_session(request)
    except Refused as refusal:
        with transaction(actor=f"task:{SUBMIT}") as tx:
            settlement.refuse(tx, claimed, refusal)
    except (NotThere, Unanswered) as error:
        _unanswered(SUBMIT, claimed, error, attention=isinstance(error, Misconfigured))
    else:
        _apply(SUBMIT, claimed, session)


@task(POLL)
def poll(payment_id: str) -> None:
    """Nothing is known to have happened, so it keeps to the pace of those that may wait."""
    if pace.turn(within=TURN_SECONDS):
        _refresh(payment_id)


@task(REFRESH)
def refresh(payment_id: str) -> None:
    _refresh(payment_id)


def _refresh(payment_id: str) -> None:
    with transaction(actor=f"task:{REFRESH}") as tx:
        claimed = claim(tx, Payment, payment_id, when=OPENED)
    if claimed is None:
        return
    wanted = None
    if is_unwanted(claimed.row) or is_late(claimed.row, at=claimed.at):
        with transaction(actor=f"task:{REFRESH}") as tx:
            wanted = intentions(tx, claimed)
    try:
        session = _present_state(claimed, wanted)
    except ProcessorError as error:
        # A session we were given and that Stripe denies now is no proof of anything.
        _unanswered(REFRESH, claimed, error, attention=isinstance(error, Refused | Misconfigured))
    else:
        _apply(REFRESH, claimed, session)


def _present_state(claimed: Claim[Payment], wanted: Intentions | None) -> CheckoutSession:
    """As Stripe has it, once what was to end there has ended."""
    session = client.fetch_session(claimed.row.stripe_session_id or "")
    for _ in range(2):  # a page that could not be closed any more may have led to held money
        if wanted is None or not _end(claimed, wanted, session):
            return session
        session = client.fetch_session(session.id)
    return session


def _end(claimed: Claim[Payment], wanted: Intentions, session: CheckoutSession) -> bool:
    """Close the page or let held money go, if that is wanted and possible; whether it was tried.

    A refusal means that the shopper was quicker. To end what has ended does no harm, so every
    claim is an attempt of its own.
    """
    intent = session.intent
    with suppress(Refused):
        if wanted.expire and session.status == "open":
            key = f"expire:{claimed.row.id}:{claimed.lease}"
            client.expire_session(session.id, idempotency_key=key)
        elif wanted.void and intent is not None and intent.status == "requires_capture":
            movements.void(intent.id, idempotency_key=f"void:{claimed.row.id}:{claimed.lease}")
        else:
            return False
    return True


def _apply(name: str, claimed: Claim[Payment], session: CheckoutSession) -> None:
    with transaction(actor=f"task:{name}") as tx:
        if settlement.apply(tx, claimed, session):
            stripe_events.mark_processed(tx, claimed.row.id, stored_before=claimed.at)


def _unanswered(
    name: str, claimed: Claim[Payment], error: ProcessorError, *, attention: bool
) -> None:
    log.warning(
        "stripe did not settle it", error=str(error), said=error.said, attempt=claimed.attempts
    )
    with transaction(actor=f"task:{name}") as tx:
        settlement.unanswered(tx, claimed, error, attention=attention)
