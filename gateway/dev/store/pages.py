"""HTTP for shoppers. A page shows what the gateway says; the visit of a URL proves nothing."""

import hashlib
import re
import secrets
from base64 import b32encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from gateway.dev.store.client import Gateway, Problem, Unreachable, segment
from gateway.dev.store.hooks import panel_of
from gateway.dev.store.inbox import Callback, Inbox
from gateway.dev.store.products import BY_SKU, PRODUCTS
from gateway.dev.store.stages import Stage, chosen, stage_of

RECENT = 8
TOKEN = r"[0-9a-f]{32}"
# Names the payment whose page is to be opened once. Cookies ignore ports, so it says whose it is.
OPENING = "store_opening"
OPENING_SECONDS = 120


def blueprint(gateway: Gateway, inbox: Inbox, *, url: str) -> Blueprint:
    pages = Blueprint("pages", __name__)
    pages.add_url_rule("/", "shop", lambda: _shop(gateway, inbox))

    @pages.post("/buy")
    def buy() -> AnyResponse:
        """An order, then its payment. The same form sent twice asks with the same keys."""
        product, token = BY_SKU.get(request.form.get("product", "")), _token()
        if product is None:
            abort(404, "The shop does not sell this.")
        made = gateway.post(
            "/orders", product.order(reference_of(token)), key=f"store-{token}-order"
        )
        return _pay(gateway, made, method=product.method, token=token, url=url)

    @pages.post("/orders/<name>/pay")
    def pay_again(name: str) -> AnyResponse:
        """Another payment for the same order; the gateway knows whether it may be made."""
        token = _token()
        view = _look(gateway, inbox, name)
        method = view.payment["method"] if view.payment else None
        return _pay(gateway, view.order, method=method, token=token, url=url)

    @pages.get("/orders/<name>.json")
    def order_json(name: str) -> Response:
        return jsonify(_look(gateway, inbox, name).as_json())

    @pages.get("/orders/<name>")
    def order(name: str) -> AnyResponse:
        view = _look(gateway, inbox, name)
        if view.checkout_url and view.payment_id == request.cookies.get(OPENING):
            return _once_only(redirect(view.checkout_url, 303))
        page = render_template(
            "order.html", view=view, token=new_token(), **panel_of(inbox, view.order["id"])
        )
        return Response(page)

    return pages


def _shop(gateway: Gateway, inbox: Inbox) -> str:
    orders, trouble = _recent(gateway)
    return render_template(
        "shop.html",
        products=PRODUCTS,
        orders=orders,
        trouble=trouble,
        new_token=new_token,
        **panel_of(inbox),
    )


def new_token() -> str:
    return secrets.token_hex(16)


def reference_of(token: str) -> str:
    """The same for the same form, so that the order of a repeated request is the same, too."""
    return f"KF-{b32encode(hashlib.sha256(token.encode()).digest()).decode()[:10]}"


def sent_form() -> dict[str, str] | None:
    """What the shopper just sent, to be sent again with the same token; None if nothing was."""
    if request.method != "POST":
        return None
    names = [name for name in ("product", "token") if name in request.form]
    return {"action": request.path} | {name: request.form[name] for name in names}


@dataclass(frozen=True)
class View:
    """An order as the gateway and the callbacks describe it at this moment."""

    order: dict[str, Any]
    payments: list[dict[str, Any]]
    payment: dict[str, Any] | None
    stage: Stage
    fulfilment: Callback | None

    @property
    def name(self) -> str:
        return str(self.order["reference"] or self.order["id"])

    @property
    def payment_id(self) -> str | None:
        return self.payment["id"] if self.payment else None

    @property
    def checkout_url(self) -> str | None:
        """Where to pay, while the shopper can."""
        url = self.payment["checkout_url"] if self.payment else None
        if not url or self.stage.name != "pay":
            return None
        return str(url) if urlsplit(url).scheme in ("http", "https") else None

    @property
    def is_watched(self) -> bool:
        return self.stage.may_change or (self.stage.name == "paid" and not self.fulfilment)

    def as_json(self) -> dict[str, Any]:
        return {
            "reference": self.name,
            "state": self.state,
            "order": self.order["status"],
            "payment": self.payment["status"] if self.payment else None,
            "checkout_url": self.checkout_url,
            "fulfilled": self.fulfilment is not None,
        }

    @property
    def state(self) -> str:
        """Another text whenever the page would look different."""
        about = (self.order["status"], self.payment_id, self.checkout_url, self.stage)
        told = f"{about}{len(self.payments)}{self.fulfilment is not None}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def _look(gateway: Gateway, inbox: Inbox, name: str) -> View:
    order = gateway.get(f"/orders/{segment(name)}")
    payments = gateway.get("/payments", order_id=order["id"], limit=10)["data"]
    payment = chosen(order, payments)
    return View(order, payments, payment, stage_of(order, payment), inbox.fulfilment(order["id"]))


def _recent(gateway: Gateway) -> tuple[list[dict[str, Any]], str | None]:
    """The newest orders; without the gateway, none and the reason."""
    try:
        return gateway.get("/orders", limit=RECENT)["data"], None
    except (Problem, Unreachable) as error:
        return [], str(error)


def _token() -> str:
    token = request.form.get("token", "")
    if not re.fullmatch(TOKEN, token):
        abort(400, "This form is not one of the shop's. Go back, reload the page and try again.")
    return token


def _pay(
    gateway: Gateway, order: dict[str, Any], *, method: str | None, token: str, url: str
) -> AnyResponse:
    """Ask for a payment, and lead to the order's page, which opens the payment page once."""
    where = url_for("pages.order", name=order["reference"] or order["id"])
    wish = {"order_id": order["id"], "return_url": f"{url}{where}"}
    if method is not None:
        wish["method"] = method
    payment = gateway.post("/payments", wish, key=f"store-{token}-payment")
    answer = redirect(where, 303)
    answer.set_cookie(
        OPENING, payment["id"], max_age=OPENING_SECONDS, httponly=True, samesite="Lax"
    )
    return answer


def _once_only(answer: AnyResponse) -> AnyResponse:
    answer.delete_cookie(OPENING, httponly=True, samesite="Lax")
    return answer
