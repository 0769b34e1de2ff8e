"""The pages that say how it ended: paid, authorised, on its way, refused, expired, unknown."""

from dataclasses import dataclass
from typing import Literal

from flask import render_template
from flask.typing import ResponseReturnValue

from gateway.dev.sandbox import money, processing
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.store import Object


@dataclass(frozen=True)
class Ending:
    kind: Literal["paid", "waiting", "failed", "expired", "missing"]
    title: str
    text: str


_EXPIRED = Ending(
    "expired",
    "This page has expired",
    "No payment was made. Go back to the shop to start again.",
)
_MISSING = Ending("missing", "Nothing here", "There is no such checkout session in this sandbox.")


def closed(work: Work, session: Object | None) -> ResponseReturnValue:
    """For somebody who comes when there is nothing left to pay."""
    if session is None:
        return _page(_MISSING, None, status=404)
    if session["status"] == "expired":
        return _page(_EXPIRED, session, status=410)
    return _page(_of_complete(work, session, is_news=False), session, status=200)


def thanks(work: Work, session: Object, *, status: int = 200) -> ResponseReturnValue:
    """For somebody who has just paid at a shop that gave no address to go back to."""
    return _page(_of_complete(work, session, is_news=status == 200), session, status=status)


def back_to_shop(session: Object) -> str | None:
    """The stored address is kept verbatim; the placeholder is filled in only here."""
    url: str | None = session["success_url"]
    return url and url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _of_complete(work: Work, session: Object, *, is_news: bool) -> Ending:
    def title(word: str) -> str:
        return word.capitalize() if is_news else f"Already {word}"

    if session["payment_status"] == "paid":
        return Ending("paid", title("paid"), "The payment was made. There is nothing left to do.")
    intent = work.tx.get("payment_intent", session["payment_intent"])
    status = intent["status"] if intent else "canceled"
    if intent and status == "processing":
        text = f"The bank takes {_takes(work, intent)} to answer. The shop hears of it then."
        return Ending("waiting", title("confirmed"), text)
    if status == "requires_capture":
        text = "The money is held for the shop, which takes it within seven days."
        return Ending("paid", title("authorised"), text)
    if status == "requires_payment_method":
        return Ending(
            "failed", "Refused by the bank", "The payment was confirmed, but no money came."
        )
    return Ending("failed", "Let go", "The shop did not take the money that was held for it.")


def _takes(work: Work, intent: Object) -> str:
    charge = work.tx.get("charge", intent["latest_charge"])
    assert charge is not None, "a processing intent has its charge"
    return processing.TAKES[charge["payment_method_details"]["type"]]


def _page(ending: Ending, session: Object | None, *, status: int) -> ResponseReturnValue:
    link = total = None
    if session is not None:
        has_paid = ending.kind in ("paid", "waiting")
        link = back_to_shop(session) if has_paid else session["cancel_url"]
        if ending.kind != "expired":
            total = money.display(session["amount_total"], session["currency"])
    return render_template("message.html", ending=ending, link=link, total=total), status
