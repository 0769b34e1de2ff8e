"""The life of a dispute: opened by the shopper's bank, answered by the merchant, won or lost.

An inquiry (`warning_...`) asks first and takes no money. A chargeback takes it at once and keeps it
unless it is won.
"""

from typing import Any

from gateway.dev.sandbox import balance, events, metadata, objects
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.errors import refused
from gateway.dev.sandbox.instruments import Later
from gateway.dev.sandbox.store import Object

ANSWER_WITHIN_S = 9 * 86400
STATUSES = ("needs_response", "under_review", "won", "lost", "prevented", "warning_needs_response",
            "warning_under_review", "warning_closed")  # fmt: skip
_CLOSED = ("won", "lost", "prevented", "warning_closed")
_MONEY_GONE = ("needs_response", "under_review", "lost")
_OPEN_TO_ANSWERS = ("needs_response", "warning_needs_response")
# Stripe's test mode reads the outcome from the text of the evidence. By whether it is an inquiry.
_VERDICTS = {
    False: {"winning_evidence": "won", "losing_evidence": "lost"},
    True: {
        "winning_evidence": "warning_closed",
        "losing_evidence": "warning_closed",
        "escalate_inquiry_evidence": "needs_response",
    },
}
_PLANNED: dict[str | None, tuple[str, str]] = {
    Later.FRAUD: ("fraudulent", "needs_response"),
    Later.NOT_RECEIVED: ("product_not_received", "needs_response"),
    Later.INQUIRY: ("fraudulent", "warning_needs_response"),
}


def open_planned(work: Work, charge: Object) -> None:
    """Some test cards dispute their charge as soon as the money is taken."""
    planned = _PLANNED.get(work.tx.notes(charge["id"]).get("later"))
    if planned is not None:
        reason, status = planned
        open_on(work, charge, reason=reason, status=status)


def open_on(
    work: Work, charge: Object, *, reason: str, status: str, amount: int | None = None
) -> Object:
    if amount is None:
        amount = charge["amount_captured"] - charge["amount_refunded"]
    dispute = objects.dispute(charge, reason=reason, amount=amount, now=work.now)
    charge["disputed"] = True
    work.tx.put(charge)
    moved = _become(work, dispute, status)
    _save(work, dispute)
    events.record(work, "charge.dispute.created", dispute)
    _tell_money(work, dispute, moved)
    return dispute


def move(work: Work, dispute: Object, status: str) -> Object:
    before = dispute["status"]
    moved = _become(work, dispute, status)
    _save(work, dispute)
    type = "charge.dispute.closed" if status in _CLOSED else "charge.dispute.updated"
    events.record(work, type, dispute, previous={"status": before} if before != status else None)
    _tell_money(work, dispute, moved)
    return dispute


def update(work: Work, dispute: Object, values: dict[str, Any]) -> Object:
    """Keep evidence and, unless told otherwise, hand it in."""
    _check_open(dispute)
    evidence = values.get("evidence") or {}
    dispute["evidence"] |= evidence
    dispute["metadata"] = metadata.merged(dispute["metadata"], values.get("metadata"))
    if evidence:
        dispute["evidence_details"]["has_evidence"] = True
    if not evidence or values.get("submit") is False:
        _save(work, dispute)
        events.record(work, "charge.dispute.updated", dispute)
        return dispute
    dispute["evidence_details"]["submission_count"] += 1
    dispute["evidence_details"]["submission_method"] = "manual"
    is_inquiry = _is_inquiry(dispute)
    move(work, dispute, "warning_under_review" if is_inquiry else "under_review")
    verdict = _VERDICTS[is_inquiry].get(dispute["evidence"]["uncategorized_text"])
    return move(work, dispute, verdict) if verdict else dispute


def close(work: Work, dispute: Object) -> Object:
    """The merchant gives up."""
    _check_open(dispute)
    return move(work, dispute, "warning_closed" if _is_inquiry(dispute) else "lost")


def time_out(work: Work, dispute: Object) -> None:
    """Nobody answered in time."""
    dispute["evidence_details"]["past_due"] = True
    close(work, dispute)


def holds_the_money(work: Work, charge: Object) -> bool:
    """Whether the bank has the charge's money, so that it cannot also be refunded."""
    return any(
        not dispute["is_charge_refundable"]
        for dispute in work.tx.of_intent("dispute", charge["payment_intent"])
        if dispute["charge"] == charge["id"]
    )


def _become(work: Work, dispute: Object, status: str) -> str | None:
    dispute["status"] = status
    if status in _OPEN_TO_ANSWERS:
        dispute["evidence_details"]["due_by"] = work.now + ANSWER_WITHIN_S
    card = (dispute["payment_method_details"] or {}).get("card")
    if card:
        card["case_type"] = "inquiry" if _is_inquiry(dispute) else "chargeback"
    return _move_money(work, dispute)


def _move_money(work: Work, dispute: Object) -> str | None:
    """Make the balance agree with the status; gives the name of the event that tells it."""
    movements = dispute["balance_transactions"]
    is_gone = len(movements) % 2 == 1  # They alternate: withdrawn, reinstated.
    must_be_gone = dispute["status"] in _MONEY_GONE
    dispute["is_charge_refundable"] = not must_be_gone
    if is_gone == must_be_gone:
        return None
    if must_be_gone:
        movements.append(balance.withdrawn(work, dispute))
        return "charge.dispute.funds_withdrawn"
    movements.append(balance.reinstated(work, dispute))
    return "charge.dispute.funds_reinstated"


def _tell_money(work: Work, dispute: Object, moved: str | None) -> None:
    if moved is not None:
        events.record(work, moved, dispute)


def _save(work: Work, dispute: Object) -> None:
    waits = dispute["status"] in _OPEN_TO_ANSWERS
    work.tx.put(dispute, due=dispute["evidence_details"]["due_by"] if waits else None)


def _is_inquiry(dispute: Object) -> bool:
    return str(dispute["status"]).startswith("warning_")


def _check_open(dispute: Object) -> None:
    if dispute["status"] in _CLOSED:
        raise refused("This dispute is already closed.")
