"""The bytes of a callback and their signature, after the Standard Webhooks specification.

The same bytes and `webhook-id` on every attempt; the timestamp, and so the signature, is the
attempt's own (github.com/standard-webhooks/standard-webhooks, spec).
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook


def body_of(*, type: str, timestamp: datetime, sequence: int, data: dict[str, Any]) -> bytes:
    """Canonical JSON: sorted names, no spaces, UTF-8. `timestamp` is when the change was made."""
    content = {
        "type": type,
        "timestamp": timestamp.isoformat().replace("+00:00", "Z"),
        "sequence": sequence,
        "data": data,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def headers_of(
    *, event_id: str, body: bytes, secrets: Sequence[str], at: datetime
) -> dict[str, str]:
    """The headers of one attempt, signed with each of `secrets`: whoever knows one can verify it.

    `at` must be aware UTC: the library reads it as such.
    """
    content = body.decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(event_id, at, content) for secret in secrets
        ),
    }
