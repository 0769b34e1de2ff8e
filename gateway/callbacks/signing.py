"""The bytes of a callback and their signature, after the Standard Webhooks specification.

The same bytes and `webhook-id` on every attempt, whatever is configured; the timestamp, and so the
signature, is the attempt's own (github.com/standard-webhooks/standard-webhooks, spec).
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from standardwebhooks import Webhook

from gateway.kernel.events import Event
from gateway.kernel.http import PREFIX

# The specification's advice: what is larger is better fetched than pushed.
MOST_BYTES = 20_000

_signer = lru_cache(maxsize=10_000)(Webhook)


class Told(NamedTuple):
    """What of an event is told, where it is read by itself."""

    id: str
    type: str
    subject_id: str
    created_at: datetime
    sequence: int
    data: dict[str, Any]


def content_of(event: Event | Told) -> dict[str, Any]:
    """What merchants are told of a numbered event, in callbacks and in the feed alike.

    `timestamp` is when the change was made.
    """
    return {
        "type": event.type,
        "timestamp": event.created_at.isoformat().replace("+00:00", "Z"),
        "sequence": event.sequence,
        "data": event.data,
    }


def body_of(event: Event | Told) -> bytes:
    """Canonical JSON: sorted names, no spaces, UTF-8. A large one is thin: it says where to look.

    `href` names no host, so that the bytes never depend on where the gateway is.
    """
    content = content_of(event)
    whole = _canonical(content)
    if len(whole) <= MOST_BYTES:
        return whole
    href = f"{PREFIX}/events/{event.id}"
    return _canonical(content | {"data": {"id": event.subject_id, "thin": True, "href": href}})


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def headers_of(
    *, event_id: str, body: bytes, secrets: Sequence[str], at: datetime
) -> dict[str, str]:
    """The signed headers of one attempt, with a signature per secret: two while one rotates.

    `at` must be aware UTC: the library reads it as such.
    """
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(
            _signer(secret).sign(event_id, at, body.decode()) for secret in secrets
        ),
    }
