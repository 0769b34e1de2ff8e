"""What Stripe's answers make us believe, and that no trap of its library catches us."""

import json
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from stripe.params.checkout import SessionCreateParams

from gateway.dev.sandbox import params as sandbox_params
from gateway.kernel.asking import Request
from gateway.kernel.db import transaction
from gateway.processor import client
from gateway.processor.types import (
    Misconfigured,
    NotThere,
    Refused,
    Replayed,
    Unanswered,
)

PARAMS = client.session_params(
    payment_id="pay_1",
    lines=[("Order 1", 1999, 1)],
    currency="EUR",
    success_url="https://shop.example/done",
    cancel_url="https://shop.example/back",
    method="card",
)


def request(**changes):
    known = {
        "row_id": "pay_1",
        "params": PARAMS,
        "idempotency_key": "session:pay_1:1",
        "asked_at": datetime.now(UTC),
        "look_first": False,
    }
    return Request(**(known | changes))


def session(**changes):
    known = {
        "id": "cs_1",
        "object": "checkout.session",
        "status": "open",
        "url": "https://x",
        "client_reference_id": "pay_1",
        "amount_total": 1999,
        "currency": "eur",
        "livemode": False,
        "payment_intent": None,
    }
    return known | changes


def error(type="invalid_request_error", **fields):
    return {"error": {"type": type, "message": "Said Stripe.", **fields}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error(code="amount_too_small", param="line_items"), Refused),
        (402, error("card_error", code="card_declined"), Refused),
        (404, error(code="resource_missing", param="id"), Refused),
        (400, error("idempotency_error"), Replayed),
        (401, error(), Misconfigured),
        (403, error(), Misconfigured),
        (409, error(code="idempotency_key_in_use"), Unanswered),
        (429, error(code="rate_limit"), Unanswered),
        (500, error("api_error"), Unanswered),
        (502, b"<html>Bad gateway</html>", Unanswered),
    ],
)
def test_an_error_says_only_what_it_proves(scripted, status, body, kind):
    scripted.says(status, body)

    with pytest.raises(kind) as caught:
        client.open_session(request())

    assert type(caught.value) is kind
    assert "sk_test" not in str(caught.value)


def test_a_stored_error_is_told_from_a_fresh_one(scripted):
    scripted.says(500, error("api_error"), Idempotent_Replayed="true")

    with pytest.raises(Replayed):
        client.open_session(request())


def test_a_definite_refusal_carries_stripes_code_and_words(scripted):
    scripted.says(400, error(code="amount_too_small"))

    with pytest.raises(Refused) as caught:
        client.open_session(request())

    assert (caught.value.code, caught.value.message) == ("amount_too_small", "Said Stripe.")


def test_what_stripe_says_to_the_operator_is_kept_from_merchants(scripted):
    scripted.says(401, error(message="Invalid API Key provided: sk_live_****abcd"))

    with pytest.raises(Misconfigured) as caught:
        client.open_session(request())

    assert str(caught.value) == "create session: Stripe refuses the gateway's own key (HTTP 401)"
    assert "sk_live_****abcd" in caught.value.said


def test_where_we_look_for_stripe_is_kept_from_merchants(scripted):
    scripted.server.shutdown()
    scripted.server.server_close()

    with pytest.raises(Unanswered) as caught:
        client.open_session(request())

    assert str(caught.value) == "create session: Stripe did not answer"
    assert "127.0.0.1" in caught.value.said


def test_silence_is_unanswered_and_bounded_in_time(scripted):
    scripted.says(0)
    began = time.monotonic()

    with pytest.raises(Unanswered):
        client.open_session(request())

    assert time.monotonic() - began < 40  # two tries of one second, not Stripe's own 80 s


def test_nobody_listening_is_unanswered(scripted):
    scripted.server.shutdown()
    scripted.server.server_close()

    with pytest.raises(Unanswered):
        client.open_session(request())


def test_every_try_carries_our_key_the_pinned_version_and_the_same_bytes(scripted):
    scripted.says(500, error("api_error"))
    scripted.says(200, session())

    client.open_session(request())

    first, second = scripted.requests
    assert first[3] == second[3]
    for _, _, headers, _ in (first, second):
        assert headers["Idempotency-Key"] == "session:pay_1:1"
        assert headers["Stripe-Version"] == "2026-10-28.endive"


def test_a_rate_limit_is_left_to_the_slow_net(scripted):
    scripted.says(429, error(code="rate_limit"))

    with pytest.raises(Unanswered):
        client.open_session(request())

    assert len(scripted.requests) == 1


def test_what_we_ask_is_what_this_version_of_stripe_takes(scripted):
    scripted.says(200, session())
    client.open_session(request())
    full = client.session_params(
        payment_id="pay_1",
        lines=[("A", 100, 2), ("B", 1, 1)],
        currency="INR",
        success_url="https://shop.example/done",
        cancel_url="https://shop.example/back",
        method="upi",
        vpa="test@upi",
        customer_email="a@example.com",
    )
    client.open_session(request(params=full))

    for _, _, _, body in scripted.requests:
        assert sandbox_params.problems(SessionCreateParams, body) == []
        names = {name for name, _ in parse_qsl(body)}
        assert not {name for name in names if name.startswith("payment_method_types")}
        assert "expires_at" not in names
    bad = scripted.requests[0][3] + "&payment_method_types[0]=card"
    assert sandbox_params.problems(SessionCreateParams, bad)


def test_our_payment_id_is_on_the_session_its_metadata_and_the_intent():
    assert PARAMS["client_reference_id"] == "pay_1"
    assert PARAMS["metadata"]["payment_id"] == "pay_1"
    assert PARAMS["payment_intent_data"]["metadata"]["payment_id"] == "pay_1"


def test_parameters_survive_storage_in_the_same_order():
    assert json.dumps(json.loads(json.dumps(PARAMS))) == json.dumps(PARAMS)


def test_a_new_session_has_no_intent_yet(scripted):
    scripted.says(200, session())

    assert client.open_session(request()).intent is None


def test_no_stripe_object_leaves_the_processor(scripted):
    """Pickled, one would carry the secret key."""
    scripted.says(200, session())

    assert b"sk_test" not in pickle.dumps(client.open_session(request()))


def test_threads_share_the_connections_of_one_pool(scripted):
    scripted.says(200, session())
    client.fetch_session("cs_1")
    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: client.fetch_session("cs_1"), range(16)))

    # One for each of the forty threads would be forty. On a busy machine a request may be repeated.
    assert len(scripted.connections) < 20


def test_no_telemetry_is_sent_or_stored(scripted, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    scripted.says(200, session())
    client.fetch_session("cs_1")
    client.fetch_session("cs_1")

    assert not any("X-Stripe-Client-Telemetry" in headers for _, _, headers, _ in scripted.requests)
    assert list(Path(tmp_path).rglob("*")) == []


def test_looking_first_never_posts(scripted):
    scripted.says(200, {"object": "list", "data": [session()], "has_more": False, "url": "/x"})

    found = client.open_session(request(look_first=True))

    assert found.id == "cs_1"
    assert [method for method, *_ in scripted.requests] == ["GET"]


def test_looking_first_and_finding_nothing_says_so(scripted):
    other = session(client_reference_id="pay_2")
    scripted.says(200, {"object": "list", "data": [other], "has_more": False, "url": "/x"})

    with pytest.raises(NotThere):
        client.open_session(request(look_first=True))


def test_a_refused_search_says_nothing_about_what_was_looked_for(scripted):
    scripted.says(400, error(code="parameter_unknown"))

    with pytest.raises(Unanswered):
        client.open_session(request(look_first=True))


def test_a_decline_is_read_from_the_intent(scripted):
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "requires_payment_method",
        "amount": 1999,
        "amount_received": 0,
        "currency": "eur",
        "livemode": False,
        "last_payment_error": {
            "code": "card_declined",
            "decline_code": "insufficient_funds",
            "message": "No.",
            "charge": "ch_1",
        },
    }
    scripted.says(200, session(payment_intent=intent))

    failure = client.fetch_session("cs_1").intent.failure

    assert (failure.code, failure.message, failure.charge_id) == (
        "insufficient_funds",
        "No.",
        "ch_1",
    )


def test_no_call_is_made_inside_a_transaction(database, scripted):
    scripted.says(200, session())

    with transaction(actor="test:x"), pytest.raises(RuntimeError, match="no network"):
        client.fetch_session("cs_1")

    assert scripted.requests == []


def test_a_client_made_in_one_thread_serves_another(scripted):
    scripted.says(200, session())
    client.fetch_session("cs_1")
    found = []
    thread = threading.Thread(target=lambda: found.append(client.fetch_session("cs_1").id))
    thread.start()
    thread.join(5)

    assert found == ["cs_1"]


def test_a_session_is_expired_with_our_key(stripe):
    opened = client.open_session(request())

    ended = client.expire_session(opened.id, idempotency_key="expire:pay_1:1")

    assert (ended.status, ended.url) == ("expired", None)
    with pytest.raises(Refused):
        client.expire_session(opened.id, idempotency_key="expire:pay_1:2")
