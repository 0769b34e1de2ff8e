"""The demo store's server: the code to copy, together with `client.py`.

It never believes the page about a price, nor a page or an address about a payment: a parcel is
packed when the signed callback `order.payment_done` has come, and once.
"""

import argparse
import hashlib
import hmac
import json
import os
import re
import signal
import sys
import threading
from base64 import b32encode
from pathlib import Path
from typing import Any

import behind
import shop
import stages
from backstage import Inbox, Journal, sound
from client import Gateway
from flask import Flask, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue as Answer
from opening import Opening
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.serving import make_server

KEY = os.environ.get("GATEWAY_KEY", "key_test_abc123")
SECRET = os.environ.get("GATEWAY_SECRET", "secret_test_xyz789")
RESULT = ("order_id", "payment_id", "status", "amount", "currency")
NAME = r"[A-Za-z0-9_:-]{1,64}"  # of an order: our reference, or the gateway's id
TOKEN = r"[0-9a-f]{32}"  # noqa: S105 - it names one form, and opens nothing
# No form-action: a browser would apply it to the redirect that leads to the payment link.
POLICY = (
    "default-src 'none'; script-src 'self' {0}; connect-src 'self' {0}; style-src 'self';"
    " img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)

app = Flask(__name__, static_url_path="/assets")
app.config.update(URL="http://127.0.0.1:8001", MAX_CONTENT_LENGTH=64 * 1024)
journal = Journal()
inbox = Inbox(journal)
gateway = Gateway(KEY, SECRET, journal.call)
opening = Opening(gateway)


@app.get("/")
def index() -> Answer:
    stock = {row["sku"]: row["available"] for row in gateway.get("/inventory", limit=100)["data"]}
    orders = gateway.get("/orders", limit=50)["data"]
    return render_template("shop.html", stock=stock, orders=shop.ours(orders))


@app.post("/orders")
def buy() -> Answer:
    """The cart becomes an order; the same form sent twice makes one, by the key of its token."""
    given = request.get_json() if request.is_json else shop.from_form(request.form)
    if not isinstance(given, dict) or given.get("method") not in shop.METHODS:
        raise shop.BadCart("Say what you would like, and whether to pay by card or UPI.")
    token, method, lines = token_of(given), given["method"], shop.lines(given.get("items"))
    # Another cart or another way to pay is another order, even from the same page.
    content = json.dumps([token, method, lines]).encode()
    reference = f"KF-{b32encode(hashlib.sha256(content).digest()).decode()[:10]}"
    body = {"reference": reference, "currency": shop.CURRENCY, "items": lines}
    return begin(gateway.post("/orders", body, key=f"store-{token}-{reference}"), method)


@app.post("/orders/<name>/payments")
def pay_again(name: str) -> Answer:
    order, payment = look(name)
    return begin(order, (payment and payment["method"]) or "card")


def begin(order: dict[str, Any], method: str) -> Answer:
    """To the script what the widget needs; a form without one is led to the payment link.

    The widget begins the payment itself, unless the shop wants to say how it is paid. That needs
    no key: an order has one live payment, and asking for it again answers with that.
    """
    if method != "card" or not request.is_json:
        back = f"{app.config['URL']}{url_for('show', name=order['id'])}"
        wish = {"order_id": order["id"], "method": method, "return_url": back}
        payment = gateway.post("/payments", wish)
        if not request.is_json:
            return redirect(f"{gateway.url}/pay/{payment['client_secret']}", 303)
    return {"order_id": order["id"], "reference": order["reference"]}


@app.get("/orders")
def returned() -> Answer:
    """Where the widget comes back to when it had to leave the page."""
    return show(request.args.get("order_id", ""))


@app.get("/orders/<name>")
def show(name: str) -> Answer:
    """What the gateway says, and what callbacks told; the result in the address is news only."""
    order, payment = look(name)
    taken = payment and payment["status"] in ("succeeded", "refunded")
    refunds = gateway.get(f"/payments/{payment['id']}/refunds")["data"] if taken else []
    view = stages.View(order, payment, refunds, inbox.packed(order["id"]))
    signed = request.args.get("order_id") == order["id"] and is_signed(request.args)
    return render_template("order.html", view=view, signed=signed)


def is_signed(result: Any) -> bool:
    """Whether the gateway signed this result, with what only it and we know."""
    key = hmac.digest(SECRET.encode(), b"checkout-result", "sha256")
    text = "|".join(result.get(name, "") for name in RESULT)
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    return hmac.compare_digest(signature.encode(), result.get("signature", "").encode())


@app.post("/orders/<name>/refunds")
def refund(name: str) -> Answer:
    """All of it goes back. Here anybody may ask; your shop asks who they are."""
    _, payment = look(name)
    if payment is None:
        abort(409, "Nothing was paid for this order.")
    key = f"store-{token_of(request.form)}-refund"
    gateway.post(f"/payments/{payment['id']}/refunds", {"reason": "requested_by_customer"}, key=key)
    return redirect(url_for("show", name=name), 303)


@app.post("/callbacks")
def receive() -> Answer:
    """2xx says: verified and kept. After any other answer the gateway sends it again."""
    if opening.secret is None:
        return behind.plain(opening.waiting_for, 503)
    name = request.headers.get("webhook-id", "")
    try:
        event = sound(Webhook(opening.secret).verify(request.get_data(), dict(request.headers)))
    except (WebhookVerificationError, ValueError):  # ValueError: bytes or Base64 of no sense
        inbox.refuse(name)
        return behind.plain("The signature of this callback does not fit.", 400)
    packs = event["type"] == "order.payment_done"  # payment.succeeded may be a second payment
    inbox.keep(name, event, packs=packs)  # yours: in one transaction of your database
    return "", 204


def look(name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """An order, and the one of its payments that matters."""
    if not re.fullmatch(NAME, name):
        abort(404)
    order = gateway.get(f"/orders/{name}")
    return order, stages.chosen(order, gateway.get("/payments", order_id=order["id"])["data"])


def token_of(given: Any) -> str:
    token = given.get("token")
    if not isinstance(token, str) or not re.fullmatch(TOKEN, token):
        abort(400, "This form is not one of the shop's. Reload the page and try again.")
    return token


@app.before_request
def admit() -> Answer | None:
    """Forms of other sites buy and refund nothing; the gateway knows the shop by one origin."""
    if request.method == "POST" and request.headers.get("Origin", own := app.config["URL"]) != own:
        abort(403, "This form is not one of the shop's.")
    if request.path == "/" and f"http://{request.host}" != app.config["URL"]:
        return redirect(app.config["URL"], 302)
    return None


@app.after_request
def with_headers(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = POLICY.format(gateway.url)
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    if not request.path.startswith("/assets/"):
        answer.headers["Cache-Control"] = "no-store"  # going back gives a form with a new token
    return answer


behind.furnish(app, gateway, opening, inbox, journal)


def main() -> None:
    parser = argparse.ArgumentParser(prog="store", description="A small shop, to try the gateway.")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--gateway", default=gateway.url, help="where the gateway is")
    parser.add_argument("--memory", type=Path, default=opening.memory, help="keeps one secret")
    given = parser.parse_args()
    gateway.url, opening.memory = given.gateway.rstrip("/"), given.memory
    app.config["URL"] = f"http://127.0.0.1:{given.port}"
    opening.url = f"{app.config['URL']}/callbacks"
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    server = make_server("127.0.0.1", given.port, app, threaded=True, request_handler=behind.Quiet)
    threading.Thread(target=opening.run, args=(threading.Event(),), daemon=True).start()
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
