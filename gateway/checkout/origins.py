"""Which web pages may use a checkout: those of the merchant's allowed origins, and our own.

Browsers enforce it by CORS; that is no secret kept, only a shop's page protected from others. A
refusal names the origin, so that the merchant knows what to add.
"""

from urllib.parse import urlsplit

from flask import Response, request
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.kernel.db import transaction
from gateway.kernel.errors import Forbidden, Invalid
from gateway.kernel.http import Caller
from gateway.merchants import service as merchants
from gateway.merchants.models import Merchant
from gateway.settings import settings

_ASKED_AGAIN = "600"  # seconds that a browser remembers what it may send


class OriginNotAllowed(Forbidden):
    """A page of this origin may not take payments for the merchant. Add its origin to
    `allowed_origins` with `PATCH /merchant`: scheme, host and port as the browser sends them.
    """

    code, title = "origin_not_allowed", "This page may not take payments."


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_ours(origin: str) -> bool:
    """Our own pages, at the address we are known by; whatever Host was asked for proves nothing."""
    own = origin_of(settings().base_url)
    names = {own} if settings().is_production else {own, own.replace("127.0.0.1", "localhost")}
    return origin in names


def check_allowed(tx: Session, caller: Caller, origin: str, return_url: str | None) -> None:
    """`origin` is what the page says, and what its browser says must agree."""
    allowed = merchants.get(tx, caller.merchant_id).allowed_origins
    sent = request.headers.get("Origin", origin)
    for each in {origin, sent}:
        if each not in allowed and not is_ours(each):
            raise OriginNotAllowed(_words(each, allowed))
    if sent != origin and not is_ours(sent):
        raise OriginNotAllowed(f"The page says {origin}, its browser {sent}.")
    if return_url is not None and origin_of(return_url) not in [*allowed, origin]:
        where = origin_of(return_url)
        raise Invalid.param("return_url", f"{where} is none of the merchant's allowed origins.")


def check_sent(tx: Session, caller: Caller) -> None:
    """For calls that name no origin: what the browser says, if one asks."""
    sent = request.headers.get("Origin")
    if sent is None or is_ours(sent):
        return
    allowed = merchants.get(tx, caller.merchant_id).allowed_origins
    if sent not in allowed:
        raise OriginNotAllowed(_words(sent, allowed))


def _words(origin: str, allowed: list[str]) -> str:
    known = ", ".join(allowed) or "none yet"
    return f"{origin} is not among the merchant's allowed origins ({known})."


def answer_for_browsers(response: Response) -> Response:
    """CORS: the pages of any merchant's allowed origins may read the answer, and no others.

    Before the call (OPTIONS) and in a refusal no merchant is known; what is for one merchant's
    pages only has been refused to the others by then.
    """
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    if origin is None or not _is_known(origin, response):
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = "Request-Id, Retry-After"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Idempotency-Key"
        response.headers["Access-Control-Max-Age"] = _ASKED_AGAIN
    return response


def _is_known(origin: str, response: Response) -> bool:
    if is_ours(origin):
        return True
    anybody = select(Merchant.id).where(Merchant.allowed_origins.contains([origin])).limit(1)
    try:
        with transaction(actor="api:cors") as tx:
            return tx.scalar(select(func.count()).select_from(anybody.subquery())) == 1
    except SQLAlchemyError:
        # Nobody can say whose page it is; that the gateway is away is no secret, and every page may
        # ask whether it is.
        return response.status_code == 503 or request.method == "OPTIONS"
