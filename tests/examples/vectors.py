"""Makes examples/vectors.json: callbacks, and whether a receiver has to believe them.

    .venv/bin/python tests/examples/vectors.py > examples/vectors.json

The same on every run: a change here, or of what the gateway signs, is seen as a change there.
"""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.callbacks.signing import body_of, headers_of
from gateway.kernel.events import Event

NOW = datetime(2026, 3, 1, 9, 31, 15, tzinfo=UTC)
SECRET, OTHER = (f"whsec_{b64encode(bytes([n] * 32)).decode()}" for n in (1, 2))
ORDER = {"id": "ord_01kjn0abcdefghjkmnpqrstvwx", "status": "payment_done", "amount": 4999}


def event(number: int, **more: Any) -> Event:
    return Event(
        id=f"evt_01kjn0abcdefghjkmnpqrst{number:03}",
        type="order.payment_done",
        subject_id=ORDER["id"],
        created_at=NOW - timedelta(seconds=3),
        sequence=number,
        data=ORDER | more,
    )


PLAIN, FOREIGN = event(118), event(119, items=[{"name": "Kännchen 茶 🫖"}])
LARGE = event(120, metadata={f"key-{n}": "x" * 500 for n in range(40)})


def signed(told: Event = PLAIN, *, by: str = SECRET, late: int = 0) -> dict[str, str]:
    at = NOW - timedelta(seconds=late)
    return headers_of(event_id=told.id, body=body_of(told), secrets=[by], at=at)


def with_signature(*signatures: str) -> dict[str, str]:
    return signed() | {"webhook-signature": " ".join(signatures)}


def cases() -> list[tuple[str, bool, dict[str, str], str]]:
    """(name, whether it is believed, headers, body)."""
    body = body_of(PLAIN).decode()
    mine = signed()["webhook-signature"]
    others = signed(by=OTHER)["webhook-signature"]
    elder = mine.replace("v1,", "v2,")
    missing = [
        (f"{name} is missing", False, {k: v for k, v in signed().items() if k != name}, body)
        for name in signed()
    ]
    seconds = str(int(NOW.timestamp()) - 60)
    return [
        ("valid", True, signed(), body),
        ("a body that is not ASCII", True, signed(FOREIGN), body_of(FOREIGN).decode()),
        ("thin: more than 20,000 bytes", True, signed(LARGE), body_of(LARGE).decode()),
        ("while a secret rotates, mine first", True, with_signature(mine, others), body),
        ("while a secret rotates, mine last", True, with_signature(others, mine), body),
        ("299 seconds old", True, signed(late=299), body),
        ("stale: 301 seconds old", False, signed(late=301), body),
        ("299 seconds ahead", True, signed(late=-299), body),
        ("from the future: 301 seconds ahead", False, signed(late=-301), body),
        ("another timestamp than was signed", False, signed() | {TIMESTAMP: seconds}, body),
        ("a timestamp that is no number", False, signed() | {TIMESTAMP: "soon"}, body),
        ("a tampered body", False, signed(), body.replace("4999", "1")),
        ("a body written anew, with spaces", False, signed(), json.dumps(json.loads(body))),
        ("an empty body", False, signed(), ""),
        ("another id than was signed", False, signed() | {"webhook-id": FOREIGN.id}, body),
        ("another's secret", False, signed(by=OTHER), body),
        ("an unknown version alone", False, with_signature(elder), body),
        ("an unknown version beside ours", True, with_signature(elder, mine), body),
        ("a signature cut short", False, with_signature(mine[:-8]), body),
        ("a signature that is empty", False, with_signature("v1,"), body),
        ("a signature without a version", False, with_signature(mine[3:]), body),
        *missing,
    ]


TIMESTAMP = "webhook-timestamp"


def made() -> str:
    vectors = [
        {
            "name": name,
            "verdict": "accept" if believed else "refuse",
            "now": int(NOW.timestamp()),
            "secret": SECRET,
            "headers": headers,
            "body": body,
        }
        for name, believed, headers, body in cases()
    ]
    return json.dumps(vectors, indent=2) + "\n"


if __name__ == "__main__":
    print(made(), end="")
