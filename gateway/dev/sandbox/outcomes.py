"""The levers that decide what banks and shoppers decide in life: payments, refunds and disputes.

Each makes the very moves that the clock and the test cards make, only now and on request.
"""

from typing import Any

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue

from gateway.dev.sandbox import disputes, due, instruments, money, payments, refunds
from gateway.dev.sandbox.context import Sandbox, Work
from gateway.dev.sandbox.instruments import Instrument
from gateway.dev.sandbox.levers import body, choice, find
from gateway.dev.sandbox.store import Object

_USUAL_CARD = "4242424242424242"


def add_to(control: Blueprint, sandbox: Sandbox) -> None:
    _sessions(control, sandbox)
    _refunds(control, sandbox)
    _disputes(control, sandbox)


def _sessions(control: Blueprint, sandbox: Sandbox) -> None:
    @control.post("/sessions/<id>/complete")
    def complete(id: str) -> ResponseReturnValue:
        wishes = body()
        figures = _figures(wishes)
        with sandbox.work() as work:
            due.settle_due(work)
            session = find(work, "checkout.session", id)
            outcome = payments.submit(
                work,
                session,
                _instrument(session, wishes),
                force=wishes.get("force") is True,
                figures=figures,
            )
        if outcome.result == "closed":
            abort(409, f"The session is {session['status']}.")
        if outcome.result == "declined":
            return {"error": {"message": outcome.message}}, 402
        return outcome.session


def _refunds(control: Blueprint, sandbox: Sandbox) -> None:
    @control.post("/refunds/<id>")
    def decide_refund(id: str) -> ResponseReturnValue:
        wishes = body()
        status = choice(wishes, "status", refunds.STATUSES)
        reason = wishes.get("failure_reason")
        with sandbox.work() as work:
            due.settle_due(work)
            return refunds.move(work, find(work, "refund", id), status, failure_reason=reason)


def _disputes(control: Blueprint, sandbox: Sandbox) -> None:
    @control.post("/disputes")
    def open_dispute() -> ResponseReturnValue:
        wishes = body()
        status = choice({"status": "needs_response"} | wishes, "status", disputes.STATUSES)
        with sandbox.work() as work:
            due.settle_due(work)
            return disputes.open_on(
                work,
                _paid_charge(work, wishes),
                reason=str(wishes.get("reason", "fraudulent")),
                status=status,
                amount=_whole(wishes, "amount"),
            )

    @control.post("/disputes/<id>")
    def decide_dispute(id: str) -> ResponseReturnValue:
        status = choice(body(), "status", disputes.STATUSES)
        with sandbox.work() as work:
            due.settle_due(work)
            return disputes.move(work, find(work, "dispute", id), status)


def _paid_charge(work: Work, wishes: dict[str, Any]) -> Object:
    charge_id = wishes.get("charge")
    if charge_id is None:
        intent = find(work, "payment_intent", str(wishes.get("payment_intent")))
        charge_id = intent["latest_charge"]
    charge = find(work, "charge", str(charge_id))
    if not charge["captured"]:
        abort(409, "Only a charge whose money was taken can be disputed.")
    return charge


def _instrument(session: Object, wishes: dict[str, Any]) -> Instrument:
    number = str(wishes.get("card_number", _USUAL_CARD))
    if number not in instruments.CARDS:
        abort(422, "card_number must be one of the test cards.")
    if "card" in session["payment_method_types"]:
        return instruments.of_card(instruments.CARDS[number], 12, 2050)
    return Instrument("upi", {"vpa": "success@upi"})


def _figures(wishes: dict[str, Any]) -> Object:
    """Wrong figures on purpose, so that a mismatch can be noticed."""
    figures: Object = {}
    amount = _whole(wishes, "amount")
    if amount is not None:
        figures["amount"] = amount
    if "currency" in wishes:
        currency = str(wishes["currency"]).lower()
        if not money.is_currency(currency):
            abort(422, "currency must be a three-letter code.")
        figures["currency"] = currency
    return figures


def _whole(wishes: dict[str, Any], name: str) -> int | None:
    number = wishes.get(name)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        abort(422, f"{name} must be a whole number of minor units, at least 1.")
    return number
