"""The levers that decide what banks and shoppers decide in life: payments, refunds and disputes.

Each makes the very moves that the clock and the test cards make, only now and on request.
"""

from dataclasses import replace
from typing import Any

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue

from gateway.dev.sandbox import disputes, due, instruments, money, payments, processing, refunds
from gateway.dev.sandbox.context import Sandbox, Work
from gateway.dev.sandbox.instruments import FormError, Instrument
from gateway.dev.sandbox.levers import body, choice, find
from gateway.dev.sandbox.store import Object


def add_to(control: Blueprint, sandbox: Sandbox) -> None:
    _sessions(control, sandbox)
    _intents(control, sandbox)
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
                # Whatever proof the bank would ask for has been given.
                replace(_instrument(session, wishes), challenge=False),
                force=wishes.get("force") is True,
                figures=figures,
            )
        if outcome.result == "closed":
            abort(409, f"The session is {session['status']}.")
        if outcome.result == "declined":
            return {"error": {"message": outcome.message}}, 402
        return outcome.session


def _intents(control: Blueprint, sandbox: Sandbox) -> None:
    @control.post("/payment_intents/<id>")
    def decide_payment(id: str) -> ResponseReturnValue:
        status = choice(body(), "status", ("succeeded", "failed"))
        with sandbox.work() as work:
            due.settle_due(work)
            intent = find(work, "payment_intent", id)
            if intent["status"] != "processing":
                abort(409, f"Only a processing payment can be decided; it is {intent['status']}.")
            return processing.decide(work, intent, succeeds=status == "succeeded")


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
    if not refunds.has_its_money(charge):
        abort(409, "Only a charge whose money was taken can be disputed.")
    return charge


def _instrument(session: Object, wishes: dict[str, Any]) -> Instrument:
    """The wished one, else whatever pays such a session without trouble."""
    form = {"card_number": "4242424242424242", "vpa": "success@upi"} | wishes
    types = session["payment_method_types"]
    try:
        if "iban" in wishes or types == ["sepa_debit"]:
            return instruments.sepa({"iban": "AT611904300234573201"} | wishes)
        if "vpa" in wishes or types == ["upi"]:
            return instruments.upi(form)
    except FormError as error:
        abort(422, str(error))
    if form["card_number"] not in instruments.CARDS:
        abort(422, "card_number must be one of the test cards.")
    return instruments.of_card(instruments.CARDS[form["card_number"]], 12, 2050)


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
