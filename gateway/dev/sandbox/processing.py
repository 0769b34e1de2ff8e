"""Payments that are not decided at once: a bank debit takes days, a slow UPI approval its time.

The session is complete at once and unpaid; the verdict comes by the clock or by a lever.
"""

from gateway.dev.sandbox import balance, details, events, objects, sessions
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.instruments import Instrument, Later, Refusal
from gateway.dev.sandbox.store import Object

DECIDED_AFTER_S = {"sepa_debit": 3 * 86400, "upi": 3600}
TAKES = {"sepa_debit": "three days", "upi": "an hour"}  # The same, for a person to read.
_REFUSALS = {
    "sepa_debit": Refusal(
        "insufficient_funds", "The customer's account has insufficient funds for this payment."
    ),
    "upi": Refusal("payment_method_provider_decline", "The bank declined the UPI payment."),
}


def begin(
    work: Work, intent: Object, charge: Object, method: Object, instrument: Instrument
) -> None:
    work.tx.set_notes(charge["id"], {"later": instrument.later, "method": method})
    intent |= {
        "status": "processing",
        "payment_method": method["id"],
        "next_action": None,
        "last_payment_error": None,
    }
    waits = None if instrument.later == Later.NO_NEWS else DECIDED_AFTER_S[instrument.type]
    work.tx.put(intent, due=None if waits is None else work.now + waits)
    events.record(work, "charge.pending", charge)
    events.record(work, "payment_intent.processing", intent)


def settle(work: Work, intent: Object) -> None:
    """The bank decides when its time has come."""
    later = work.tx.notes(intent["latest_charge"])["later"]
    decide(work, intent, succeeds=later != Later.LATE_FAILURE)


def decide(work: Work, intent: Object, *, succeeds: bool) -> Object:
    charge = work.tx.get("charge", intent["latest_charge"])
    assert charge is not None, "a processing intent has its charge"
    if succeeds:
        _succeed(work, intent, charge)
    else:
        _fail(work, intent, charge)
    for session in work.tx.of_intent("checkout.session", intent["id"]):
        result = "succeeded" if succeeds else "failed"
        events.record(work, f"checkout.session.async_payment_{result}", session)
    return intent


def _succeed(work: Work, intent: Object, charge: Object) -> None:
    charge |= {"status": "succeeded", "paid": True}
    charge["balance_transaction"] = balance.charged(work, charge)["id"]
    work.tx.put(charge)
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    work.tx.put(intent)
    sessions.mark_paid(work, intent["id"])
    events.record(work, "charge.succeeded", charge)
    events.record(work, "payment_intent.succeeded", intent)


def _fail(work: Work, intent: Object, charge: Object) -> None:
    """The intent could be tried again, but its session is complete, so nobody will."""
    refusal = _REFUSALS[charge["payment_method_details"]["type"]]
    charge |= {
        "status": "failed",
        "captured": False,
        "amount_captured": 0,
        "failure_code": refusal.code,
        "failure_message": refusal.message,
        "outcome": details.outcome(refusal),
    }
    work.tx.put(charge)
    method = work.tx.notes(charge["id"])["method"]
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": objects.payment_error(refusal, method, charge["id"]),
    }
    work.tx.put(intent)
    events.record(work, "charge.failed", charge)
    events.record(work, "payment_intent.payment_failed", intent)
