"""What happens when a shopper pays: intent, charge, session and events move together.

Pure moves inside one unit of work; two submits of one page follow each other, so the second finds
the session already complete. Slow methods go on in `processing`; what may
follow later has modules of its own.
"""

from dataclasses import dataclass
from typing import Literal

from gateway.dev.sandbox import balance, details, disputes, events, objects, processing, sessions
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.instruments import NOT_AUTHENTICATED, Instrument, Refusal
from gateway.dev.sandbox.store import Object


@dataclass(frozen=True)
class Outcome:
    """How a submit ended. `closed`: the session was no longer open, nothing was done."""

    result: Literal["paid", "declined", "challenge", "closed"]
    session: Object
    message: str = ""


def submit(
    work: Work,
    session: Object,
    instrument: Instrument,
    *,
    force: bool = False,
    figures: Object | None = None,
) -> Outcome:
    """Try to pay an open session; with `force` an expired one too, as a late success.

    `figures` replace amount or currency of what is paid, so that it contradicts the session.
    """
    may_be_paid = session["status"] == "open" or (force and session["status"] == "expired")
    if not may_be_paid:
        return Outcome("closed", session)
    intent = _intent_of(work, session) | (figures or {})
    if instrument.challenge:
        _ask_for_authentication(work, session, intent, instrument)
        return Outcome("challenge", session)
    return _charge(work, session, intent, instrument)


def answer_challenge(work: Work, session: Object, *, authenticated: bool) -> Outcome:
    """The shopper's bank has answered the 3D Secure step."""
    if session["status"] != "open":
        return Outcome("closed", session)
    instrument = challenged(work, session)
    intent = work.tx.get("payment_intent", session["payment_intent"] or "")
    if instrument is None or intent is None or intent["status"] != "requires_action":
        return Outcome("declined", session, "There is no authentication to answer.")
    if authenticated:
        return _charge(work, session, intent, instrument)
    method = objects.payment_method(instrument, now=work.now)
    return _refuse(work, session, intent, NOT_AUTHENTICATED, method)


def challenged(work: Work, session: Object) -> Instrument | None:
    """The card that waits for its 3D Secure answer, if one does."""
    notes = work.tx.notes(session["id"]).get("challenge")
    return Instrument.from_notes(notes) if notes else None


def _intent_of(work: Work, session: Object) -> Object:
    if session["payment_intent"]:
        intent = work.tx.get("payment_intent", session["payment_intent"])
        assert intent is not None
        # Only a forced late success finds it cancelled: there the payment won that race.
        return intent | {"canceled_at": None, "cancellation_reason": None}
    data = work.tx.notes(session["id"])["intent_data"]
    intent = objects.intent(session, data, now=work.now)
    work.tx.put(intent)
    events.record(work, "payment_intent.created", intent)
    session["payment_intent"] = intent["id"]
    sessions.save(work, session)
    return intent


def _ask_for_authentication(
    work: Work, session: Object, intent: Object, instrument: Instrument
) -> None:
    page = f"{work.base_url}/c/pay/{session['id']}"
    intent |= {
        "status": "requires_action",
        "next_action": {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": page, "return_url": page},
        },
        "last_payment_error": None,
        "payment_method": objects.new_id("pm_1"),
    }
    work.tx.put(intent)
    _remember_challenge(work, session, instrument)
    events.record(work, "payment_intent.requires_action", intent)


def _remember_challenge(work: Work, session: Object, instrument: Instrument | None) -> None:
    notes = work.tx.notes(session["id"])
    notes["challenge"] = instrument.to_notes() if instrument else None
    work.tx.set_notes(session["id"], notes)


def _charge(work: Work, session: Object, intent: Object, instrument: Instrument) -> Outcome:
    method = objects.payment_method(instrument, now=work.now)
    charge = objects.charge(intent, method, instrument, now=work.now)
    if charge["captured"] and charge["paid"]:
        charge["balance_transaction"] = balance.charged(work, charge)["id"]
    work.tx.put(charge)
    work.tx.set_notes(charge["id"], {"later": instrument.later})
    intent["latest_charge"] = charge["id"]
    if instrument.refusal:
        events.record(work, "charge.failed", charge)
        return _refuse(work, session, intent, instrument.refusal, method, charge_id=charge["id"])
    if instrument.is_slow:
        processing.begin(work, intent, charge, method, instrument)
    else:
        _succeed(work, intent, charge)
    _complete(work, session, intent, instrument)
    if intent["status"] == "succeeded":
        disputes.open_planned(work, charge)
    return Outcome("paid", session)


def _refuse(
    work: Work,
    session: Object,
    intent: Object,
    refusal: Refusal,
    method: Object,
    *,
    charge_id: str | None = None,
) -> Outcome:
    """The attempt failed; the session stays open for another card."""
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": objects.payment_error(refusal, method, charge_id),
    }
    work.tx.put(intent)
    _remember_challenge(work, session, None)
    events.record(work, "payment_intent.payment_failed", intent)
    return Outcome("declined", session, refusal.message)


def _succeed(work: Work, intent: Object, charge: Object) -> None:
    captured = charge["captured"]
    intent |= {
        "status": "succeeded" if captured else "requires_capture",
        "amount_received": intent["amount"] if captured else 0,
        "amount_capturable": 0 if captured else intent["amount"],
        "payment_method": charge["payment_method"],
        "next_action": None,
        "last_payment_error": None,
    }
    # An authorisation that nobody captures falls back to the shopper after a week.
    work.tx.put(intent, due=None if captured else work.now + details.CAPTURE_WINDOW_S)
    events.record(work, "charge.succeeded", charge)
    capturable = "payment_intent.amount_capturable_updated"
    events.record(work, "payment_intent.succeeded" if captured else capturable, intent)


def _complete(work: Work, session: Object, intent: Object, instrument: Instrument) -> None:
    email = instrument.email or session["customer_email"]
    session |= {
        "status": "complete",
        # Money that is authorised or on its way is not available yet.
        "payment_status": "paid" if intent["status"] == "succeeded" else "unpaid",
        "customer_details": objects.customer_details(email),
        "url": None,
    }
    sessions.save(work, session)
    _remember_challenge(work, session, None)
    events.record(work, "checkout.session.completed", session)
