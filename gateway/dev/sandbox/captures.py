"""Takes the money of an authorised payment: once, whole or in part; the rest is released."""

from typing import Any

from gateway.dev.sandbox import balance, disputes, events, metadata, sessions
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.errors import ApiError, invalid, refused, unexpected_state
from gateway.dev.sandbox.store import Object


def capture(work: Work, intent: Object, values: dict[str, Any]) -> Object:
    if values.get("final_capture") is False:
        raise invalid("This payment is not eligible for multicapture.", param="final_capture")
    _check_status(intent)
    wanted = values.get("amount_to_capture")
    amount: int = intent["amount_capturable"] if wanted is None else wanted
    _check_amount(intent, amount)
    intent |= {
        "status": "succeeded",
        "amount_capturable": 0,
        "amount_received": amount,
        "metadata": metadata.merged(intent["metadata"], values.get("metadata")),
    }
    work.tx.put(intent)  # No due time: what is captured is no longer cancelled by the clock.
    charge = _charge_captured(work, intent["latest_charge"], amount)
    events.record(work, "payment_intent.succeeded", intent)
    events.record(work, "charge.updated", charge, previous={"balance_transaction": None})
    sessions.mark_paid(work, intent["id"])
    disputes.open_planned(work, charge)
    return intent


def _charge_captured(work: Work, charge_id: str, amount: int) -> Object:
    charge = work.tx.get("charge", charge_id)
    assert charge is not None, "an authorised intent has its charge"
    previous = {name: charge[name] for name in ("amount_captured", "captured")}
    charge |= {"captured": True, "amount_captured": amount}
    charge["balance_transaction"] = balance.charged(work, charge)["id"]
    work.tx.put(charge)
    events.record(
        work, "charge.captured", charge, previous=previous | {"balance_transaction": None}
    )
    return charge


def _check_status(intent: Object) -> None:
    status = intent["status"]
    if status == "succeeded":
        raise unexpected_state(
            "This PaymentIntent could not be captured because it has already been captured.",
            intent,
        )
    if status != "requires_capture":
        raise unexpected_state(
            f"This PaymentIntent could not be captured because it has a status of {status}. Only a"
            " PaymentIntent with one of the following statuses may be captured: requires_capture.",
            intent,
        )


def _check_amount(intent: Object, amount: int) -> None:
    if amount < 0:
        raise _wrong_amount(intent, "Invalid positive integer", param="amount_to_capture")
    if amount == 0:
        # Stripe names the charge's parameter here, not the intent's.
        raise _wrong_amount(
            intent,
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param="amount",
        )
    if amount > intent["amount_capturable"]:
        raise _wrong_amount(
            intent,
            "The amount to capture must be less than or equal to the amount that is capturable.",
            code="amount_too_large",
            param="amount_to_capture",
        )


def _wrong_amount(intent: Object, message: str, *, param: str, code: str | None = None) -> ApiError:
    return refused(message, code=code, param=param, payment_intent=intent)
