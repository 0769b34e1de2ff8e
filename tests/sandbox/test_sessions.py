"""Checkout Sessions and the other resources through stripe-python: shapes, lists, refusals."""

import json
from typing import Any

import pytest
import stripe

from gateway.dev.sandbox import shapes

from .support import Server, rupees, session_params


def test_a_new_session_is_whole(sandbox: Server):
    session = sandbox.create(client_reference_id="pay_1", metadata={"a": "b"}, expires_at=None)

    assert shapes.problems(session.to_dict()) == []
    assert len(session.to_dict()) == 69
    assert len(session.id) == 66
    assert session.url == f"{sandbox.url}/c/pay/{session.id}"
    assert session.payment_intent is None
    assert session.expires_at == session.created + 86400
    assert (session.amount_total, session.currency, session.livemode) == (5000, "usd", False)
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert session.success_url.endswith("={CHECKOUT_SESSION_ID}")


def test_answers_carry_stripes_headers_and_look(sandbox: Server):
    posted = sandbox.create().last_response
    read = sandbox.raw("GET", "/v1/events?limit=1")

    for header in ("Idempotency-Key", "Original-Request", "Request-Id", "Stripe-Version"):
        assert posted.headers[header]
    assert posted.headers["Stripe-Should-Retry"] == "false"
    assert "Idempotency-Key" not in read.headers
    assert read.headers["Stripe-Version"] == "2026-10-28.endive"
    assert read.text == json.dumps(read.json(), indent=2)
    assert read.headers.get("Connection") != "close"


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"foo": "1"}, "parameter_unknown", "foo"),
        ({"metadata": {"k" * 41: "v"}}, None, "metadata"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"line_items": None}, "parameter_missing", "line_items"),
        ({"expires_at": 1}, None, None),
        ({"expires_at": 2**40}, None, None),
        ({"success_url": "shop"}, "url_invalid", "success_url"),
        ({"customer_email": "ada"}, "email_invalid", "customer_email"),
        ({"mode": "setup"}, None, "mode"),
        ({"allowed_payment_method_types": ["upi"]}, None, None),
        (rupees("upi") | {"payment_intent_data": {"capture_method": "manual"}}, None, None),
        ({"expand": ["nonsense"]}, None, None),
    ],
)
def test_a_bad_session_is_refused(
    sandbox: Server, changes: dict[str, Any], code: str | None, param: str | None
):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sandbox.create(**changes)

    assert refused.value.http_status == 400
    assert (refused.value.code, refused.value.param) == (code, param)


@pytest.mark.parametrize(
    ("currency", "amount", "code"),
    [
        ("usd", 49, "amount_too_small"),
        ("jpy", 49, "amount_too_small"),
        ("inr", 49, "amount_too_small"),
        ("usd", 100_000_000, "amount_too_large"),
        ("usd", -1, "parameter_invalid_integer"),
        ("kwd", 5005, None),
    ],
)
def test_amounts_have_bounds(sandbox: Server, currency: str, amount: int, code: str | None):
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "x"}}

    with pytest.raises(stripe.InvalidRequestError) as refused:
        sandbox.create(line_items=[{"price_data": price, "quantity": 1}])

    assert refused.value.code == code


def test_methods_follow_currency_and_wishes(sandbox: Server):
    assert sandbox.create().payment_method_types == ["card"]
    assert sandbox.create(**rupees()).payment_method_types == ["card", "upi"]
    assert sandbox.create(**rupees("upi")).payment_method_types == ["upi"]
    without = sandbox.create(**rupees(), excluded_payment_method_types=["card"])
    assert without.payment_method_types == ["upi"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer sk_live_abc"}, 401),
        ({"Authorization": "Basic c2tfdGVzdF9hYmM6"}, 200),
    ],
)
def test_keys(sandbox: Server, headers: dict[str, str], status: int):
    answer = sandbox.raw("GET", "/v1/events?limit=1", **headers)

    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_what_does_not_exist(sandbox: Server):
    unknown = sandbox.raw("POST", "/v1/customers", {"name": "Ada"})
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "invalid_request_error")
    for path in ("checkout/sessions/cs_1", "payment_intents/pi_1", "charges/ch_1", "events/evt_1"):
        missing = sandbox.raw("GET", f"/v1/{path}")
        assert missing.status_code == 404
        assert missing.json()["error"]["code"] == "resource_missing"


def test_lists_page_both_ways(sandbox: Server):
    made = [sandbox.create().id for _ in range(5)]
    sessions = sandbox.client.v1.checkout.sessions

    newest = sessions.list({"limit": 2})
    assert ([item.id for item in newest.data], newest.has_more) == ([made[4], made[3]], True)
    older = sessions.list({"limit": 2, "starting_after": made[3]})
    assert [item.id for item in older.data] == [made[2], made[1]]
    newer = sessions.list({"limit": 3, "ending_before": made[0]})
    assert [item.id for item in newer.data] == [made[3], made[2], made[1]]
    assert shapes.problems(newest.to_dict()) == []


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("limit=0", "parameter_invalid_integer", "limit"),
        ("limit=101", "parameter_invalid_integer", "limit"),
        ("starting_after=cs_nope", "resource_missing", "starting_after"),
        ("starting_after=a&ending_before=b", None, None),
        ("before=1", "parameter_unknown", "before"),
    ],
)
def test_bad_lists(sandbox: Server, query: str, code: str | None, param: str | None):
    error = sandbox.raw("GET", f"/v1/checkout/sessions?{query}").json()["error"]

    assert (error.get("code"), error.get("param")) == (code, param)


def test_lists_filter(sandbox: Server):
    session = sandbox.create()
    sandbox.pay(session.id)
    paid = sandbox.session(session.id)
    sessions, client = sandbox.client.v1.checkout.sessions, sandbox.client.v1
    intent = paid.payment_intent.id

    found = sessions.list({"payment_intent": intent, "expand": ["data.payment_intent"]})
    assert [item.payment_intent.status for item in found.data] == ["succeeded"]
    assert session.id not in [item.id for item in sessions.list({"status": "open"}).data]
    window = {"gte": session.created, "lt": session.created + 1}
    assert session.id in [item.id for item in sessions.list({"created": window, "limit": 100}).data]
    assert not sessions.list({"created": {"gt": session.created + 1000}}).data
    assert len(client.charges.list({"payment_intent": intent}).data) == 1
    assert intent in [item.id for item in client.payment_intents.list().data]
    types = {"types": ["checkout.session.completed"], "limit": 1}
    assert client.events.list(types).data[0].data.object.id == session.id
    kinds = {event.type for event in client.events.list({"type": "charge.*"}).data}
    assert "charge.succeeded" in kinds
    assert all(kind.startswith("charge.") for kind in kinds)


def test_expire_works_once(sandbox: Server):
    session = sandbox.create()

    expired = sandbox.client.v1.checkout.sessions.expire(session.id)

    assert (expired.status, expired.url) == ("expired", None)
    assert shapes.problems(expired.to_dict()) == []
    assert sandbox.events_of(session.id) == ["checkout.session.expired"]
    with pytest.raises(stripe.InvalidRequestError):
        sandbox.client.v1.checkout.sessions.expire(session.id)


def test_the_clock_expires_sessions(sandbox: Server):
    session = sandbox.create()
    kept = sandbox.lever("POST", "clock", {"advance_s": 0}).json()
    assert sandbox.session(session.id).status == "open"

    moved = sandbox.lever("POST", "clock", {"advance_s": 86401}).json()

    assert moved["offset_seconds"] == kept["offset_seconds"] + 86401
    assert sandbox.session(session.id).status == "expired"
    assert sandbox.events_of(session.id) == ["checkout.session.expired"]
    assert sandbox.pay(session.id).status_code == 410


def test_expires_at_is_counted_by_the_clock(sandbox: Server):
    now = int(sandbox.lever("GET", "state").json()["now"])

    session = sandbox.create(expires_at=now + 1900)

    assert session.expires_at == now + 1900
    with pytest.raises(stripe.InvalidRequestError):
        sandbox.create(expires_at=now + 1700)


def test_line_items_expand(sandbox: Server):
    session = sandbox.client.v1.checkout.sessions.create(
        params=session_params(expand=["line_items"])
    )

    assert session.line_items.data[0].amount_total == 5000
    assert shapes.problems(session.to_dict()) == []
