"""The life of a refund: given on a captured charge, and later arrived, failed or called back.

A charge's refunded figures are counted anew from its refunds at each step, so they always agree.
"""

from typing import Any

from gateway.dev.sandbox import balance, disputes, events, metadata, money, objects
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.errors import invalid, missing_resource, refused, unexpected_state
from gateway.dev.sandbox.instruments import Later
from gateway.dev.sandbox.store import Object

PENDING_S = 3600  # Until a refund that is under way arrives.
FAILS_AFTER_S = 3600  # Until the bank returns one that had looked done.
STATUSES = ("pending", "requires_action", "succeeded", "failed", "canceled")
COUNTED = ("pending", "requires_action", "succeeded")  # These are, or will be, the shopper's.


def create(work: Work, values: dict[str, Any]) -> Object:
    metadata.check(values.get("metadata"))
    charge = _charge_of(work, values)
    amount = _amount(work, charge, values.get("amount"))
    later = work.tx.notes(charge["id"]).get("later")
    is_slow = later == Later.REFUND_PENDING or _method(charge) != "card"
    refund = objects.refund(
        charge, values, amount=amount, status="pending" if is_slow else "succeeded", now=work.now
    )
    refund["balance_transaction"] = balance.refunded(work, refund, charge)["id"]
    fails = later == Later.REFUND_FAILS
    waits = PENDING_S if is_slow else FAILS_AFTER_S if fails else None
    work.tx.put(refund, due=None if waits is None else work.now + waits)
    previous = _count_again(work, charge)
    events.record(work, "refund.created", refund)
    events.record(work, "charge.refunded", charge, previous=previous)
    return refund


def settle(work: Work, refund: Object) -> None:
    """The clock has decided: what was pending has arrived, what had looked done comes back."""
    move(work, refund, "succeeded" if refund["status"] == "pending" else "failed")


def move(work: Work, refund: Object, status: str, *, failure_reason: str | None = None) -> Object:
    before = {name: refund[name] for name in ("status", "failure_reason", "pending_reason")}
    charge = _read_charge(work, refund["charge"])
    if refund["status"] in COUNTED and status not in COUNTED:
        refund["failure_balance_transaction"] = balance.refund_returned(work, refund)["id"]
    if refund["status"] not in COUNTED and status in COUNTED:
        refund["balance_transaction"] = balance.refunded(work, refund, charge)["id"]
        refund["failure_balance_transaction"] = None
    refund |= {
        "status": status,
        "failure_reason": failure_reason or "unknown" if status == "failed" else None,
        "pending_reason": "processing" if status == "pending" else None,
    }
    work.tx.put(refund)
    _count_again(work, charge)
    _tell(work, refund, {name: old for name, old in before.items() if refund[name] != old})
    return refund


def cancel(work: Work, refund: Object) -> Object:
    status = refund["status"]
    is_card = _method(_read_charge(work, refund["charge"])) == "card"
    if status == "requires_action" or (status == "pending" and not is_card):
        return move(work, refund, "canceled")
    raise refused(
        f"Refund {refund['id']} has a status of {status} and cannot be canceled. Only a refund that"
        " requires action, or a pending one that is not on a card, can be."
    )


def update(work: Work, refund: Object, values: dict[str, Any]) -> Object:
    before = refund["metadata"]
    refund["metadata"] = metadata.merged(before, values.get("metadata"))
    work.tx.rewrite(refund)
    if refund["metadata"] != before:
        _tell(work, refund, {"metadata": before})
    return refund


def _tell(work: Work, refund: Object, previous: Object) -> None:
    events.record(work, "refund.updated", refund, previous=previous)
    if refund["status"] == "failed" and "status" in previous:
        events.record(work, "refund.failed", refund)
    events.record(work, "charge.refund.updated", refund, previous=previous)


def _count_again(work: Work, charge: Object) -> Object:
    """Bring the charge's figures up to date; gives those that it had before."""
    amount = sum(
        refund["amount"]
        for refund in work.tx.of_intent("refund", charge["payment_intent"])
        if refund["charge"] == charge["id"] and refund["status"] in COUNTED
    )
    figures = {"amount_refunded": amount, "refunded": amount == charge["amount_captured"]}
    previous = {name: charge[name] for name, new in figures.items() if charge[name] != new}
    work.tx.put(charge | figures)
    charge |= figures
    return previous


def _charge_of(work: Work, values: dict[str, Any]) -> Object:
    charge_id, intent_id = values.get("charge"), values.get("payment_intent")
    if charge_id is None and intent_id is None:
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or"
            " charge."
        )
    if charge_id is not None and intent_id is not None:
        raise invalid("You may only specify one of these parameters: charge, payment_intent.")
    return _of_intent(work, intent_id) if intent_id is not None else _by_id(work, str(charge_id))


def _of_intent(work: Work, intent_id: str) -> Object:
    intent = work.tx.get("payment_intent", intent_id)
    if intent is None:
        raise missing_resource("payment_intent", intent_id, param="payment_intent")
    charge = work.tx.get("charge", intent["latest_charge"] or "")
    if charge is None or not has_its_money(charge):
        raise unexpected_state(
            f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.", intent
        )
    return charge


def _by_id(work: Work, charge_id: str) -> Object:
    charge = work.tx.get("charge", charge_id)
    if charge is None:
        raise missing_resource("charge", charge_id)
    if not has_its_money(charge):
        what = "has not been captured" if charge["paid"] else f"is {charge['status']}"
        raise refused(f"Charge {charge_id} {what}, so it cannot be refunded.")
    return charge


def _amount(work: Work, charge: Object, wanted: int | None) -> int:
    if disputes.holds_the_money(work, charge):
        raise refused(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    remaining: int = charge["amount_captured"] - charge["amount_refunded"]
    if remaining == 0:
        raise refused(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = remaining if wanted is None else wanted
    if amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.",
            param="amount",
            code="parameter_invalid_integer",
        )
    if amount > remaining:
        texts = [money.display(number, charge["currency"]) for number in (amount, remaining)]
        raise refused(
            f"Refund amount ({texts[0]}) is greater than unrefunded amount on charge ({texts[1]})",
            param="amount",
        )
    return amount


def has_its_money(charge: Object) -> bool:
    return bool(charge["captured"] and charge["paid"])


def _read_charge(work: Work, charge_id: str) -> Object:
    charge = work.tx.get("charge", charge_id)
    assert charge is not None, "a refund has its charge"
    return charge


def _method(charge: Object) -> str:
    return str(charge["payment_method_details"]["type"])
