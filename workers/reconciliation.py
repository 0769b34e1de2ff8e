"""Reconciliation's questions: one page of Stripe's, or a few payments one by one, in each step.

What is heard is written down payment by payment, each in a transaction of its own, because each
holds its order; where the run stands follows after, so that a page may be read again, never missed.
"""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import transaction
from gateway.kernel.due import Claim
from gateway.kernel.logs import get_logger
from gateway.kernel.runs import Run
from gateway.processor import client, lists, pace
from gateway.processor.lists import Listed
from gateway.processor.types import (
    CheckoutSession,
    Misconfigured,
    ProcessorError,
    Refused,
    StripeMovement,
    Unanswered,
)
from gateway.reconciliation import books, judging, service, strangers, subjects
from gateway.reconciliation.service import Heard, Place

log = get_logger(__name__)

ACTOR = "task:reconcile"
TURN_SECONDS = 5.0
SINGLES_PER_STEP = 10
MOST_TOLD = 1000  # of what somebody was told, the newest: our own payments come after it
STEP_MOST_SECONDS = 15.0  # well within the lease of the run, the slowest answer included
GONE = "resource_missing"

Lister = Callable[[lists.Window, str | None], Listed[Any]]
Reader = Callable[[Session, Place, Any], None]
LISTS: dict[str, tuple[Lister, Reader]] = {
    "intents": (lists.intents, strangers.intents),
    "refunds": (lists.refunds, strangers.refunds),
    "disputes": (lists.disputes, strangers.disputes),
    "events": (lists.events, strangers.events),
}


def look(claimed: Claim[Run]) -> Heard | None:
    """One step of a run. None if nothing was asked. Raises `ProcessorError`."""
    at = service.place(claimed)
    if at is None or at.phase == service.WAITING:
        return None
    if at.phase == service.SINGLES:
        return _singles(at)
    if at.phase == service.TOLD:
        return _told(at)
    if not pace.turn(within=TURN_SECONDS):
        return None
    if at.phase == "sessions":
        return _sessions(at)
    ask, read = LISTS[at.phase]
    page = ask(at.window, at.cursor)
    with transaction(actor=ACTOR) as tx:
        read(tx, at, page.items)
    return _heard(at, page)


def read_balance(claimed: Claim[Run]) -> Listed[StripeMovement] | None:
    """The next page of the days that are added up. None if nothing was asked."""
    at = books.place(claimed)
    if at is None or not pace.turn(within=TURN_SECONDS):
        return None
    return lists.movements(*at)


def _heard(at: Place, page: Listed[Any]) -> Heard:
    crashpoint("reconcile page read")
    return Heard(len(page.items), page.cursor, page.cursor is not None)


def _sessions(at: Place) -> Heard:
    page = lists.sessions(at.window, at.cursor)
    with transaction(actor=ACTOR) as tx:
        found = judging.sort_out(tx, page.items)
        judging.tick_off(tx, at, found.equal)
        strangers.sessions(tx, at, found.strangers)
    for payment_id, session in found.news:
        _believe(at, payment_id, session)
    return _heard(at, page)


def _believe(at: Place, payment_id: str, session: CheckoutSession) -> bool:
    """False if it has to be asked for once more: then it is among those asked for one by one."""
    try:
        with transaction(actor=ACTOR) as tx:
            if judging.believe(tx, at, payment_id, session):
                return True
    except Exception:  # whatever is the matter with this one keeps none of the others waiting
        log.exception("stripe's answer could not be written down", payment_id=payment_id)
    with transaction(actor=ACTOR) as tx:
        subjects.add(tx, at.run, {payment_id})
    return False


def _told(at: Place) -> Heard | None:
    """Is it still so? A row that could not be settled stays as it was, and the next run asks."""
    if service.count_read(at) >= MOST_TOLD:
        return Heard(0)
    with transaction(actor=ACTOR) as tx:
        rows = strangers.told(tx, at, most=SINGLES_PER_STEP)
    began, looked_at = time.monotonic(), []
    for row_id, subject in rows:
        if time.monotonic() - began > STEP_MOST_SECONDS or not pace.turn(within=TURN_SECONDS):
            break
        try:
            _look_again(at, subject)
        except Misconfigured:
            raise
        except ProcessorError as error:
            log.warning("stripe did not settle it", discrepancy_id=row_id, error=str(error))
        except Exception:
            log.exception("it could not be written down", discrepancy_id=row_id)
        looked_at.append(row_id)
    if rows and not looked_at:
        return None  # no turn was free
    return Heard(len(looked_at), looked_at[-1] if looked_at else None, more=bool(rows))


def _look_again(at: Place, subject: str) -> None:
    """At a page that can be paid, or money of nobody here."""
    if subject.startswith(strangers.PAGE):
        session = client.fetch_session(subject)
        with transaction(actor=ACTOR) as tx:
            strangers.sessions(tx, at, judging.sort_out(tx, [session]).strangers)
    else:
        intent = lists.intent(subject)
        with transaction(actor=ACTOR) as tx:
            strangers.intents(tx, at, [intent])


def _singles(at: Place) -> Heard | None:
    """Those that no page has shown, or not wholly: a few at a time.

    One about which Stripe does not answer stays, and keeps none of the others waiting.
    """
    with transaction(actor=ACTOR) as tx:
        waiting = subjects.some(tx, at.run, most=SINGLES_PER_STEP)
        if not waiting:
            return None if subjects.are_left(tx, at.run) else Heard(0)
    began, asked, answers, refused = time.monotonic(), 0, 0, None
    for payment_id, session_id in waiting:
        if time.monotonic() - began > STEP_MOST_SECONDS or not pace.turn(within=TURN_SECONDS):
            break
        asked += 1
        try:
            answers += _one(at, payment_id, session_id)
        except Misconfigured:
            raise
        except ProcessorError as error:
            log.warning("stripe did not settle it", payment_id=payment_id, error=str(error))
            refused = error
    if answers:
        return Heard(answers, more=True)
    if asked:
        # Whatever one of them is refused for, it is not what an hour's rest would help.
        raise Unanswered(f"None of the payments left could be settled: {refused or 'see the log'}")
    return None


def _one(at: Place, payment_id: str, session_id: str) -> bool:
    try:
        session = client.fetch_session(session_id)
    except Refused as refusal:
        if refusal.code != GONE:
            raise
        with transaction(actor=ACTOR) as tx:
            judging.denied(tx, at, payment_id, refusal)
        return True
    return _believe(at, payment_id, session)
