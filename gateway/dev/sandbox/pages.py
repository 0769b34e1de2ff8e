"""The pages a person sees: the hosted payment page, its 3D Secure step, and a small front page.

Reads forms and shows outcomes; what a payment does is decided in `payments`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from gateway.dev.sandbox import (
    due,
    endings,
    instruments,
    money,
    objects,
    payments,
    processing,
    samples,
)
from gateway.dev.sandbox.context import Sandbox, Work
from gateway.dev.sandbox.instruments import FormError, Instrument
from gateway.dev.sandbox.payments import Outcome
from gateway.dev.sandbox.store import Object

# Submitting ends in a redirect to the merchant, and browsers hold redirects to form-action too.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:;"
    " form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'"
)
# The first field of each method, by which a form without a choice of method shows what it is.
_FIELDS = {"card": "card_number", "upi": "vpa", "sepa_debit": "iban"}


@dataclass(frozen=True)
class Filled:
    """What the form shows: the values given so far, what went wrong, and in which field.

    `ready`: nothing is left but to press the button.
    """

    values: Mapping[str, str]
    alert: str = ""
    wrong: str = ""
    ready: bool = False


def blueprint(sandbox: Sandbox) -> Blueprint:
    pages = Blueprint("pages", __name__)

    @pages.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        if policy := sandbox.faults.settings.page_coop:
            response.headers["Cross-Origin-Opener-Policy"] = policy
        return response

    _front(pages, sandbox)
    _hosted_page(pages, sandbox)
    return pages


def _front(pages: Blueprint, sandbox: Sandbox) -> None:
    @pages.get("/")
    def front() -> ResponseReturnValue:
        with sandbox.work() as work:
            due.settle_due(work)
            recent = work.tx.newest("checkout.session", limit=12)
            events = work.tx.newest("event", limit=12)
        return render_template(
            "index.html",
            sessions=recent,
            events=events,
            webhook_url=sandbox.webhook_url,
            version=objects.API_VERSION,
            total=_total,
        )


def _hosted_page(pages: Blueprint, sandbox: Sandbox) -> None:
    @pages.get("/c/pay/<id>")
    def show(id: str) -> ResponseReturnValue:
        with sandbox.work() as work:
            session = _look_up(work, id)
            if session is None or session["status"] != "open":
                return endings.closed(work, session)
            if payments.challenged(work, session):
                return _challenge(work, session)
            return _form(work, session, _prefilled(session))

    @pages.post("/c/pay/<id>")
    def submit(id: str) -> ResponseReturnValue:
        form = request.form.to_dict()
        with sandbox.work() as work:
            session = _look_up(work, id)
            if session is None or session["status"] != "open":
                return _after_the_end(work, session)
            if form.get("action") == "cancel":
                return redirect(session["cancel_url"] or f"/c/pay/{id}", 303)
            return _pay(work, session, form)


def _pay(work: Work, session: Object, form: Mapping[str, str]) -> ResponseReturnValue:
    try:
        outcome = _attempt(work, session, form)
    except FormError as error:
        filled = Filled(form, alert=str(error), wrong=error.field)
        return _form(work, session, filled, status=400)
    return _show(work, outcome, form)


def _look_up(work: Work, id: str) -> Object | None:
    due.settle_due(work)
    return work.tx.get("checkout.session", id)


def _attempt(work: Work, session: Object, form: Mapping[str, str]) -> Outcome:
    if "three_ds" in form:
        authenticated = form["three_ds"] == "complete"
        return payments.answer_challenge(work, session, authenticated=authenticated)
    return payments.submit(work, session, _instrument(session, form, now=work.now))


def _instrument(session: Object, form: Mapping[str, str], *, now: int) -> Instrument:
    types = session["payment_method_types"]
    named = next((type for type in types if _FIELDS[type] in form), types[0])
    wanted = form.get("method", named)
    if wanted not in types:
        raise FormError(_FIELDS[types[0]], "This payment cannot be made in that way.")
    if wanted == "upi":
        return instruments.upi(form)
    return instruments.sepa(form) if wanted == "sepa_debit" else instruments.card(form, now=now)


def _show(work: Work, outcome: Outcome, form: Mapping[str, str]) -> ResponseReturnValue:
    if outcome.result == "challenge":
        return _challenge(work, outcome.session)
    if outcome.result == "declined":
        return _form(work, outcome.session, Filled(form, alert=outcome.message), status=402)
    shop = endings.back_to_shop(outcome.session)
    return redirect(shop, 303) if shop else endings.thanks(work, outcome.session)


def _after_the_end(work: Work, session: Object | None) -> ResponseReturnValue:
    """A submit for a session that is over charges nothing."""
    if session is None or session["status"] != "complete":
        return endings.closed(work, session)
    shop = endings.back_to_shop(session)
    return redirect(shop, 303) if shop else endings.thanks(work, session, status=409)


def _challenge(work: Work, session: Object) -> ResponseReturnValue:
    asked = payments.challenged(work, session)
    assert asked is not None, "a challenge is about a card"
    return render_template(
        "challenge.html", session=session, total=_total(session), card=asked.details
    )


def _form(work: Work, session: Object, filled: Filled, *, status: int = 200) -> ResponseReturnValue:
    items = work.tx.notes(session["id"])["items"]
    types = session["payment_method_types"]
    chosen = filled.values.get("method") or types[0]
    page = render_template(
        "pay.html",
        session=session,
        items=[item | {"price": money.display(item["amount"], item["currency"])} for item in items],
        is_short=_is_short(items),
        total=_total(session),
        types=types,
        chosen=chosen if chosen in types else types[0],
        filled=filled,
        samples=samples.FEATURED,
        more_cards=samples.MORE_CARDS,
        takes=processing.TAKES,
        manual=_is_manual(work, session),
    )
    return page, status


def _is_short(items: list[dict[str, Any]]) -> bool:
    """Whether the items take so few lines that a small window has room for them and the form."""
    texts = [item[name] for item in items for name in ("name", "description") if item[name]]
    return len(texts) <= 2 and all(len(text) <= 60 for text in texts)


def _is_manual(work: Work, session: Object) -> bool:
    data: dict[str, Any] = work.tx.notes(session["id"])["intent_data"]
    return data.get("capture_method") == "manual"


def _prefilled(session: Object) -> Filled:
    """From the session, and from the links that fill in a sample without any script."""
    values = {"email": session["customer_email"] or ""}
    if "upi" in session["payment_method_types"] and session["metadata"].get("vpa"):
        values |= {"vpa": session["metadata"]["vpa"], "method": "upi"}
    for method in ("upi", "sepa_debit"):
        field = _FIELDS[method]
        if request.args.get(field):
            values |= {field: request.args[field], "method": method}
    for sample in samples.ALL:
        is_asked_for = request.args.get(sample.query) == sample.value
        if is_asked_for and sample.method in session["payment_method_types"]:
            email = values["email"] or sample.fills["email"]
            return Filled({**sample.fills, "email": email, "method": sample.method}, ready=True)
    return Filled(values)


def _total(session: Object) -> str:
    return money.display(session["amount_total"], session["currency"])
