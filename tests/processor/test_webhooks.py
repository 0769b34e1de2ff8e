"""Whose body is it? Whatever a stranger sends is a 400, never a 500."""

import json
import time

import pytest
from tests_support import STRIPE_SECRET, forget, signed

from gateway.processor.webhooks import InvalidSignature, InvalidStripeEvent, verify

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "checkout.session.completed",
    "livemode": False,
    "api_version": "2026-10-28.endive",
    "data": {
        "object": {
            "id": "cs_1",
            "object": "checkout.session",
            "payment_intent": "pi_1",
            "client_reference_id": "pay_1",
            "metadata": {},
        }
    },
}
RAW = json.dumps(EVENT, indent=2)


def header(raw=RAW, **options):
    return signed(raw, **options)["Stripe-Signature"]


def test_a_signed_event_says_what_it_is_about():
    news = verify(RAW.encode(), header())

    assert (news.id, news.session_id, news.intent_id, news.payment_id) == (
        "evt_1",
        "cs_1",
        "pi_1",
        "pay_1",
    )
    assert news.body == RAW


def test_every_configured_secret_is_tried(monkeypatch):
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", f"whsec_old,{STRIPE_SECRET}")
    forget()
    try:
        assert verify(RAW.encode(), header(secret="whsec_old")).id == "evt_1"
        assert verify(RAW.encode(), header()).id == "evt_1"
    finally:
        monkeypatch.undo()
        forget()


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "garbage",
        "t=,v1=",
        "t=NOW,v1=0000",
        "t=NOW,v0=GOOD",
        "t=NOW, v1=GOOD\xe9",
        f"t={'9' * 5000},v1=GOOD",
        "t=abc,v1=GOOD",
        "t=NOW," + ",".join(["v1=00"] * 10_000),
        "\u20ac",
    ],
    ids=range(10),
)
def test_a_garbled_header_is_refused(bad):
    good = header()
    now, signature = good.removeprefix("t=").split(",v1=")
    with pytest.raises(InvalidSignature):
        verify(RAW.encode(), bad.replace("NOW", now).replace("GOOD", signature))


def test_an_old_signature_is_refused():
    with pytest.raises(InvalidSignature):
        verify(RAW.encode(), header(at=int(time.time()) - 301))


def test_another_secret_is_refused():
    with pytest.raises(InvalidSignature):
        verify(RAW.encode(), header(secret="whsec_other"))


@pytest.mark.parametrize("changed", [RAW.replace("pi_1", "pi_2"), json.dumps(EVENT), RAW + " "])
def test_only_the_very_bytes_that_were_signed_count(changed):
    with pytest.raises(InvalidSignature):
        verify(changed.encode(), header())


def test_a_body_that_is_no_text_is_refused():
    with pytest.raises(InvalidSignature):
        verify(b"\xff\xfe", header())


@pytest.mark.parametrize(
    "raw",
    [
        "{",
        "null",
        "[]",
        '"x"',
        "7",
        "{}",
        json.dumps(EVENT | {"object": "v2.core.event"}),
        json.dumps(EVENT | {"id": None}),
        json.dumps(EVENT | {"id": "\ud800"}),
        json.dumps(EVENT | {"id": "x\u0000"}),
        json.dumps(EVENT | {"data": []}),
        json.dumps(EVENT | {"data": {"object": "cs_1"}}),
        json.dumps(EVENT | {"data": {"object": {"object": "charge", "metadata": "x"}}}),
        "[" * 60_000,
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(raw):
    with pytest.raises(InvalidStripeEvent):
        verify(raw.encode(), header(raw))


def test_odd_ids_inside_match_nothing():
    odd = {"id": "cs_\u0000", "object": "checkout.session", "metadata": {"payment_id": ["x"]}}
    raw = json.dumps(EVENT | {"data": {"object": odd}})

    news = verify(raw.encode(), header(raw))

    assert (news.session_id, news.payment_id) == (None, None)
