"""What Stripe has of a stretch of time, a hundred at once, newest first.

Raises only `ProcessorError`s; never called in a transaction. Each page is one question; who reads
on gives the cursor of the page before.
Sources: docs.stripe.com/api/pagination, docs.stripe.com/api/events/list (kept for 30 days).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.processor.answers import (
    to_dispute,
    to_intent,
    to_movement,
    to_refund,
    to_session,
)
from gateway.processor.client import CLOCK_SKEW, connected, look
from gateway.processor.types import (
    CheckoutSession,
    Intent,
    StripeDispute,
    StripeMovement,
    StripeNews,
    StripeRefund,
)
from gateway.processor.webhooks import to_news
from gateway.settings import settings

PER_PAGE = 100  # Stripe gives no more at once

T = TypeVar("T")


class Window(NamedTuple):
    """From `since` on and before `until`, by when Stripe made it. UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Listed(Generic[T]):
    """A page; `cursor` leads to the next, and is null when there is none."""

    items: tuple[T, ...]
    cursor: str | None


def is_live() -> bool:
    """The mode whose objects our key can see."""
    return "_live_" in settings().stripe_secret_key


def sessions(window: Window, cursor: str | None) -> Listed[CheckoutSession]:
    """With their intents and up to ten refunds of each; disputes are not shown."""
    expand = ["data.payment_intent.latest_charge.refunds"]
    api = connected().v1.checkout.sessions
    return _page("list sessions", api.list, to_session, window, cursor, expand)


def intents(window: Window, cursor: str | None) -> Listed[Intent]:
    api = connected().v1.payment_intents
    return _page("list intents", api.list, to_intent, window, cursor, ["data.latest_charge"])


def intent(intent_id: str) -> Intent:
    ask = connected().v1.payment_intents.retrieve
    params: Any = {"expand": ["latest_charge"]}
    return to_intent(look("retrieve intent", lambda: ask(intent_id, params=params)))


def refunds(window: Window, cursor: str | None) -> Listed[StripeRefund]:
    return _page("list refunds", connected().v1.refunds.list, to_refund, window, cursor)


def disputes(window: Window, cursor: str | None) -> Listed[StripeDispute]:
    return _page("list disputes", connected().v1.disputes.list, to_dispute, window, cursor)


def events(window: Window, cursor: str | None) -> Listed[StripeNews]:
    """Read as plain JSON: to make objects of all that they are about takes longer than the rest."""
    return _page("list events", _plain_events, _to_news, window, cursor)


def movements(window: Window, cursor: str | None) -> Listed[StripeMovement]:
    api = connected().v1.balance_transactions
    return _page("list balance", api.list, to_movement, window, cursor, ["data.source"])


class _Page(NamedTuple):
    data: list[dict[str, Any]]
    has_more: bool


def _plain_events(*, params: dict[str, Any]) -> _Page:
    found = connected().raw_request("get", "/v1/events", **params).data
    return _Page(found["data"], found["has_more"])


def _to_news(event: dict[str, Any]) -> StripeNews:
    return to_news(event, json.dumps(event))


def _page(
    what: str,
    ask: Callable[..., Any],
    read: Callable[[Any], T],
    window: Window,
    cursor: str | None,
    expand: list[str] | None = None,
) -> Listed[T]:
    """Our clock and Stripe's may differ a little, so the window is read a little wider."""
    since, until = window.since - CLOCK_SKEW, window.until + CLOCK_SKEW
    params: dict[str, Any] = {
        "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
        "limit": PER_PAGE,
    }
    if cursor is not None:
        params["starting_after"] = cursor
    if expand is not None:
        params["expand"] = expand
    found = look(what, lambda: ask(params=params))
    items = tuple(read(each) for each in found.data)
    last: Any = items[-1] if found.has_more else None
    return Listed(items, last and last.id)
