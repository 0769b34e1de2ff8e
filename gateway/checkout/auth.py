"""Who is calling without a secret: a shop's page by the publishable half of a key, or whoever has
the client secret of a payment. Both may do what a shopper may, and nothing else.
"""

import hmac

from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.checkout.schemas import CheckoutOpen
from gateway.checkout.service import SECRET, payment_of
from gateway.kernel import limits
from gateway.kernel.bodies import load, load_body, raw_body
from gateway.kernel.errors import Forbidden, NotFound, Unauthenticated
from gateway.kernel.fields import Strict
from gateway.kernel.http import MAX_BODY, Caller
from gateway.merchants.auth import last_used
from gateway.merchants.models import ApiKey
from gateway.payments.models import Payment
from gateway.payments.schemas import client_secret

_SHOPPER = "shopper"


class SecretInBrowser(Forbidden):
    """Whoever has the secret can refund and see everything: it must never reach a browser. Make a
    new key, revoke this one, and give the page the half that begins with `key_`.
    """

    code, title = "secret_in_browser", "This is the secret half of a key."


class InvalidKey(Unauthenticated):
    """`key` takes the publishable half of a key of yours, `key_test_...` or `key_live_...`."""

    code, title = "invalid_key", "The key is missing, unknown or revoked."
    challenge = 'Publishable realm="payment gateway"'  # Basic would have a browser ask the shopper


class _Anything(Strict):
    """A body of which only the key matters yet."""

    class Meta:
        unknown = "include"


def by_publishable_key(tx: Session) -> Caller:
    """The merchant whose key the body names. What else is in the body is checked later."""
    body = load_body(_Anything(), raw_body(MAX_BODY))
    if "key" not in body:
        raise InvalidKey("The body has no key.")
    if str(body["key"]).startswith("secret_"):
        raise SecretInBrowser("The field key has a secret; it takes a key such as key_test_....")
    key = load(CheckoutOpen(only=["key"]), {"key": body["key"]})["key"]
    row = tx.scalar(select(ApiKey).filter_by(key=key))
    if row is None or row.revoked_at is not None:
        raise InvalidKey(f"{key} is no key of this gateway, or no more.")
    last_used.note(row.id)
    return Caller(row.merchant_id, row.livemode, row.id, kind=_SHOPPER)


def by_client_secret(tx: Session) -> Caller:
    """The merchant of the payment that the address names. Raises `NotFound`."""
    sent = str((request.view_args or {})["client_secret"])
    known = hmac.compare_digest(sent.encode(), client_secret(payment_of(sent)).encode())
    payment = tx.get(Payment, payment_of(sent)) if known else None
    if payment is None:
        limits.count_refusal(request.remote_addr)
        raise NotFound(f"No payment has this client secret; one looks like pay_...{SECRET}....")
    key_id = str(payment.opening.get("key_id", payment.id))
    return Caller(payment.merchant_id, payment.livemode, key_id, kind=_SHOPPER)


def count_address(_: Caller) -> None:
    """Not by key: those who pay must not use up the pace of the shop's own server."""
    limits.count_shopper(request.remote_addr)
