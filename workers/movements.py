"""Capture and refund tasks: claim the row, ask Stripe, write down what was heard."""

from collections.abc import Callable
from typing import Any

from gateway.captures.models import Capture
from gateway.kernel.asking import Request
from gateway.kernel.db import transaction
from gateway.kernel.due import claim
from gateway.kernel.logs import get_logger
from gateway.processor import movements as stripe
from gateway.processor.types import Misconfigured, NotThere, Refused, Unanswered
from gateway.refunds.models import Refund
from gateway.settlement import answers
from gateway.settlement.requests import capture_request, refund_request
from workers.app import task

log = get_logger(__name__)

CAPTURE, REFUND = "captures.submit", "refunds.submit"


@task(CAPTURE)
def capture(capture_id: str) -> None:
    def ask(intent_id: str, request: Request) -> None:
        stripe.capture(intent_id, request)

    _submit(CAPTURE, Capture, capture_id, capture_request, ask)


@task(REFUND)
def refund(refund_id: str) -> None:
    def ask(intent_id: str, request: Request) -> str:
        return stripe.refund(intent_id, request).id

    _submit(REFUND, Refund, refund_id, refund_request, ask)


def _submit(
    name: str,
    model: Any,
    row_id: str,
    prepare: Callable[..., tuple[str, Request] | None],
    ask: Callable[[str, Request], str | None],
) -> None:
    actor = f"task:{name}"
    with transaction(actor=actor) as tx:
        claimed = claim(tx, model, row_id)
    if claimed is None:
        return
    with transaction(actor=actor) as tx:  # apart, so that a fault here counts as a try
        question = prepare(tx, claimed)
    if question is None:
        return
    try:
        answer = ask(*question)
    except Refused as refusal:
        with transaction(actor=actor) as tx:
            answers.refused(tx, claimed, refusal)
    except (NotThere, Unanswered) as error:
        log.warning("stripe did not settle it", error=str(error), said=error.said)
        with transaction(actor=actor) as tx:
            odd = isinstance(error, Misconfigured)
            answers.unanswered(tx, claimed, error, attention=odd)
    else:
        with transaction(actor=actor) as tx:
            answers.done(tx, claimed, answer)
