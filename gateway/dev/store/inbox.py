"""The callbacks that arrived: verified, each once, and what the shop did about them.

A callback that is not verified is kept to be looked at and never acted upon. Kept in memory; a
real shop keeps the ids it has seen, and what it fulfilled, in its database.
"""

import json
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

KEPT, KEPT_REFUSED = 1000, 100
FULFILS = "order.payment_done"  # payment.succeeded may be a second or late payment
_UNTRUSTED: dict[str, Any] = {"type": "unverified", "data": {}}


@dataclass
class Callback:
    id: str
    verified: bool
    body: dict[str, Any]
    number: int  # in order of arrival
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    duplicates: int = 0
    fulfilled: bool = False  # this one made the shop pack the order

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.body["data"])

    def is_about(self, subject_id: str) -> bool:
        names = ("id", "order_id", "payment_id")
        return any(self.data.get(name) == subject_id for name in names)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "verified": self.verified,
            "received_at": self.received_at.isoformat(timespec="milliseconds"),
            "duplicates": self.duplicates,
            "body": self.body,
        }


class NotVerified(Exception):
    """The signature does not fit: somebody else's, another secret, too old, or changed."""


class Inbox:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verified: OrderedDict[str, Callback] = OrderedDict()
        self._refused: deque[Callback] = deque(maxlen=KEPT_REFUSED)
        self._fulfilled: dict[str, Callback] = {}
        self._count = 0

    def receive(self, raw: bytes, headers: Mapping[str, str], *, secret: str) -> Callback:
        """Verify, then act once per `webhook-id`; names of headers in lower case.

        Raises `NotVerified`.
        """
        name = headers.get("webhook-id", "")[:100]
        body = _verified(raw, headers, secret=secret)
        with self._lock:
            self._count += 1
            if body is None:
                self._refused.append(Callback(name, False, _UNTRUSTED, self._count))
                raise NotVerified("The signature of this callback does not fit.")
            if name in self._verified:
                self._verified[name].duplicates += 1
                return self._verified[name]
            callback = self._verified[name] = Callback(name, True, body, self._count)
            self._fulfil(callback)
            if len(self._verified) > KEPT:
                self._verified.popitem(last=False)
            return callback

    def _fulfil(self, callback: Callback) -> None:
        """Here a real shop would send the parcel; once, whatever is told how often."""
        order_id = str(callback.data.get("id"))
        if callback.type == FULFILS and order_id not in self._fulfilled:
            callback.fulfilled = True
            self._fulfilled[order_id] = callback

    def fulfilment(self, order_id: str) -> Callback | None:
        """The callback that made the shop pack this order."""
        return self._fulfilled.get(order_id)

    def __len__(self) -> int:
        return len(self._verified) + len(self._refused)

    def listed(self, *, about: str | None = None, type: str | None = None) -> list[Callback]:
        """Newest first."""
        with self._lock:
            every = [*self._verified.values(), *self._refused]
        wanted = (
            callback
            for callback in every
            if type in (None, callback.type) and (about is None or callback.is_about(about))
        )
        return sorted(wanted, key=lambda callback: callback.number, reverse=True)


def _verified(raw: bytes, headers: Mapping[str, str], *, secret: str) -> dict[str, Any] | None:
    """The body, if it is signed with `secret` and has the shape of a callback."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    signed = {name: headers.get(name, "") for name in names}
    try:
        Webhook(secret).verify(raw, signed, json_parse=False)
        body = json.loads(raw)
    except (WebhookVerificationError, ValueError):  # ValueError: bytes or base64 of no sense
        return None
    sound = isinstance(body, dict) and isinstance(body.get("type"), str)
    return body if sound and isinstance(body.get("data"), dict) else None
