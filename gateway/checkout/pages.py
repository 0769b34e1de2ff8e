"""The pages a shopper sees: on the way to Stripe, and back. The visit of one proves nothing.

A page is drawn by the server for what it knows; the script only draws it again. Without script it
loads itself again while something is going on.
"""

import json
import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

from flask import Blueprint, Response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from gateway.checkout import service
from gateway.checkout.auth import by_client_secret
from gateway.checkout.scenes import Scene, scene_of
from gateway.checkout.service import Checkout
from gateway.checkout.words import LABELS, LANGUAGES, REFUSALS, SCENES
from gateway.kernel import limits
from gateway.kernel.db import now, transaction
from gateway.kernel.money import display
from gateway.merchants.models import ApiKey
from gateway.settings import settings

pages = Blueprint("pay", __name__, url_prefix="/pay", template_folder="templates")

BY_SCRIPT = "X-Pay-Page"  # our own script asks: it cannot follow a redirect to Stripe
_FOR_STATUS = {404: "missing", 429: "busy"}


@pages.get("/wait")
def wait() -> Response:
    """Where the widget's window begins: its script asks for the payment, as the widget does."""
    return _page(Scene("asking"), refusals=REFUSALS[_language()])


@pages.get("/return")
def old_return() -> Response:
    """Where Stripe sends shoppers of payments from before each had a page of its own."""
    return _page(Scene("unknown", "calm"))


@pages.get("/<client_secret>")
def pay(client_secret: str) -> AnyResponse:
    """A payment link: on to Stripe as soon as there is a page, else what there is to say."""
    with transaction(actor="api:pay") as tx:
        checkout = _checkout(tx, client_secret, ask=False)
        scene = scene_of(checkout, at=now(tx), came_at=None)
        there = _safe(checkout.payable_at) if scene.name == "opening" else None
        if there and BY_SCRIPT not in request.headers:
            return redirect(there, 303)
        return _page(scene, **_about(tx, checkout), go=there)


@pages.get("/<client_secret>/return")
def back(client_secret: str) -> Response:
    """Where Stripe sends the shopper, whatever happened there. Nothing but the state counts."""
    with transaction(actor="api:pay") as tx:
        came_at = _came_at(now(tx))
        checkout = _checkout(tx, client_secret, ask=True)
        scene = scene_of(checkout, at=now(tx), came_at=came_at)
        return _page(scene, **_about(tx, checkout), came=f"{came_at.timestamp():.3f}")


@pages.before_request
def pace() -> None:
    limits.count_shopper(request.remote_addr)


@pages.after_request
def finish(answer: Response) -> Response:
    """A refusal is a page here as well; the headers are those of a page that holds a secret."""
    if answer.mimetype == "application/problem+json":
        page = _page(Scene(_FOR_STATUS.get(answer.status_code, "trouble"), "bad"))
        page.status_code = answer.status_code
        page.headers.extend({k: v for k, v in answer.headers if k in ("Retry-After", "Allow")})
        return page
    return answer


def _checkout(tx: Session, client_secret: str, *, ask: bool) -> Checkout:
    return service.look(tx, by_client_secret(tx), client_secret, ask_stripe=ask)


def _came_at(at: datetime) -> datetime:
    """When the shopper came back: the address keeps it, and may say nothing later than now."""
    try:
        said = datetime.fromtimestamp(float(request.args.get("came", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return at
    return min(said, at)


def _about(tx: Session, checkout: Checkout) -> dict[str, Any]:
    """What the page shows and its script needs of a payment."""
    payment, opening = checkout.payment, checkout.payment.opening
    key = tx.get(ApiKey, opening.get("key_id", ""))
    back_to = _safe(payment.return_url or opening.get("return_url"))
    return {
        "checkout": checkout,
        "amount": display(payment.amount, payment.currency),
        "leave": _with_result(back_to, checkout) if back_to else None,
        "mode": opening.get("mode", "redirect"),
        "origin": opening.get("origin"),
        # What the widget sent: another payment of the order begins like this one.
        "again": json.dumps(
            {
                "key": key.key,
                "order_id": payment.order_id,
                "origin": opening.get("origin") or settings().base_url,
                "mode": opening.get("mode", "redirect"),
                "return_url": opening.get("return_url"),
            }
        )
        if key is not None and not key.revoked_at
        else None,
    }


def _with_result(url: str, checkout: Checkout) -> str:
    """The shop's address, told what the shop's server can verify; never that it succeeded alone."""
    row = checkout.payment
    told = checkout.result or {
        "order_id": row.order_id,
        "payment_id": row.id,
        "status": row.status,
    }
    parts = urlsplit(url)
    reserved = {*told, "signature"}
    kept = [each for each in parts.query.split("&") if each and _name(each) not in reserved]
    added = urlencode({name: value for name, value in told.items() if value is not None})
    return urlunsplit(parts._replace(query="&".join([*kept, added])))


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def _safe(url: str | None) -> str | None:
    return url if url and urlsplit(url).scheme in ("http", "https") else None


def _language() -> str:
    return request.accept_languages.best_match(LANGUAGES, LANGUAGES[0])


def _page(scene: Scene, **about: Any) -> Response:
    language = _language()
    nonce = secrets.token_urlsafe(18)
    words = SCENES[language][scene.name]
    shown = render_template(
        "pay/page.html",
        scene=scene,
        heading=words.heading,
        text=words.text.format(why=scene.why).strip(),
        labels=LABELS[language],
        language=language,
        nonce=nonce,
        **about,
    )
    page = Response(shown, content_type="text/html; charset=utf-8")
    page.headers.extend(_headers(nonce))
    return page


def _headers(nonce: str) -> dict[str, str]:
    """The address holds a secret, which no other server is told. COOP stays open: with it the
    shop's page and its payment window would lose each other.
    """
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'",
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cross-Origin-Opener-Policy": "unsafe-none",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
        "Vary": "Accept-Language",
    }
