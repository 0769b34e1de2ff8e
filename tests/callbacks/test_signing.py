"""The bytes of a callback: canonical, the same as the feed's, and thin when they are many."""

import json
from datetime import UTC, datetime

from standardwebhooks import Webhook

from gateway.callbacks.signing import MOST_BYTES, body_of, content_of, headers_of
from gateway.kernel.events import Event

ID = "evt_01kjn0abcdefghjkmnpqrstvwx"


def told(data):
    return Event(
        id=ID,
        type="order.created",
        subject_id="ord_1",
        created_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        sequence=7,
        data=data,
    )


def filled(size):
    """An event whose body has `size` bytes."""
    rest = size - len(body_of(told({"id": "ord_1", "note": ""})))
    return told({"id": "ord_1", "note": "x" * rest})


def test_a_body_is_canonical_and_says_what_the_feed_says():
    event = told({"note": "Kännchen 🫖", "id": "ord_1"})

    assert body_of(event).decode() == (
        '{"data":{"id":"ord_1","note":"Kännchen 🫖"},"sequence":7,'
        '"timestamp":"2026-03-01T09:30:00Z","type":"order.created"}'
    )
    assert json.loads(body_of(event)) == content_of(event)


def test_a_body_of_twenty_thousand_bytes_is_whole():
    event = filled(MOST_BYTES)

    assert len(body_of(event)) == MOST_BYTES == 20_000
    assert json.loads(body_of(event)) == content_of(event)


def test_one_byte_more_and_it_only_says_where_to_look():
    event = filled(MOST_BYTES + 1)

    body = json.loads(body_of(event))
    assert body["data"] == {"id": "ord_1", "thin": True, "href": f"/api/v1/events/{ID}"}
    assert body == content_of(event) | {"data": body["data"]}
    assert content_of(event)["data"]["note"]


def test_bytes_are_counted_not_characters():
    whole, thin = told({"note": "é" * 9_900}), told({"note": "é" * 10_000})

    assert "note" in json.loads(body_of(whole))["data"]
    assert "thin" in json.loads(body_of(thin))["data"]


def test_an_attempt_has_its_own_timestamp_and_signature():
    body, secret, at = body_of(told({"id": "ord_1"})), "whsec_c2VjcmV0", datetime.now(UTC)
    headers = headers_of(event_id=ID, body=body, secrets=[secret], at=at)

    assert headers["webhook-id"] == ID
    assert headers["webhook-timestamp"] == str(int(at.timestamp()))
    assert Webhook(secret).verify(body, headers) == json.loads(body)
