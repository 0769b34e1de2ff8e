"""Pausing an endpoint and enabling it again: what is shown, what waits, what goes first."""

from datetime import timedelta

import pytest
from tests_support import forget

from gateway.callbacks.models import DisabledCode, Endpoint, EndpointStatus
from gateway.callbacks.schemas import EndpointSchema
from gateway.kernel.db import lock, now, transaction

PAUSED = {"code": "paused", "message": "Paused by the merchant."}


@pytest.fixture
def endpoint(client, shop, receiver):
    return receiver.register(client, shop, events=["order.created"])


@pytest.fixture
def turn(client, shop, endpoint):
    """Disable or enable it; what it then is."""

    def call(verb, **body):
        path = f"/api/v1/webhook-endpoints/{endpoint['id']}/{verb}"
        answer = client.post(path, json=body or None, headers=shop.headers)
        assert answer.status_code == 200, answer.json
        return answer.json

    return call


@pytest.fixture
def row(endpoint):
    """Change its row as the engine does, and read it."""

    def change(**changes):
        with transaction(actor="test:engine") as tx:
            found = lock(tx, Endpoint, endpoint["id"])
            for name, value in changes.items():
                setattr(found, name, value)
        return found

    return change


def given_up(endpoint, code):
    with transaction(actor="test:engine") as tx:
        found = lock(tx, Endpoint, endpoint["id"])
        found.transition_to(
            EndpointStatus.DISABLED,
            disabled_code=code,
            disabled_message="It answered 410.",
            failing_since=now(tx) - timedelta(days=6),
            failures=40,
        )


def test_a_pause_says_why_and_ends(endpoint, turn, history):
    paused = turn("disable", reason="Moving to another server")
    enabled = turn("enable")

    assert (paused["status"], paused["disabled_reason"]) == (
        "disabled",
        {"code": "paused", "message": "Moving to another server"},
    )
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)
    assert history(endpoint["id"]) == ["endpoint.created", "endpoint.disabled", "endpoint.updated"]


def test_a_pause_needs_no_reason(turn):
    assert turn("disable")["disabled_reason"] == PAUSED


def test_what_is_so_already_stays_as_it_is(endpoint, turn, history):
    enabled = turn("enable")
    paused = turn("disable", reason="First")
    again = turn("disable", reason="Second")

    assert enabled == {name: value for name, value in endpoint.items() if name != "secret"}
    assert again == paused
    assert history(endpoint["id"]) == ["endpoint.created", "endpoint.disabled"]


def test_one_that_was_given_up_is_not_called_paused(endpoint, turn):
    given_up(endpoint, DisabledCode.GONE)

    assert turn("disable")["disabled_reason"] == {"code": "gone", "message": "It answered 410."}


def test_a_pause_ends_the_waiting_of_a_circuit(turn, row):
    with transaction(actor="test:clock") as tx:
        later = now(tx) + timedelta(hours=1)
    row(open_until=later)
    turn("disable")

    assert row().open_until is None


@pytest.mark.parametrize("code", [*DisabledCode])
def test_what_waits_is_released_after_a_probe_if_it_was_given_up(endpoint, turn, row, code):
    if code is DisabledCode.PAUSED:
        turn("disable")
        row(failing_since=row().created_at)
    else:
        given_up(endpoint, code)
    turn("enable")
    found = row()

    at = found.updated_at
    assert found.due_at == at
    assert found.open_until == (None if code is DisabledCode.PAUSED else at)
    assert found.failing_since is None


@pytest.mark.parametrize("code", [DisabledCode.PAUSED, DisabledCode.GONE])
def test_what_happens_meanwhile_waits_and_is_sent_afterwards(
    client, shop, endpoint, receiver, turn, drain, sql, code
):
    if code is DisabledCode.PAUSED:
        turn("disable")
    else:
        given_up(endpoint, code)
    for _ in range(8):
        client.post("/api/v1/orders", json={"currency": "EUR", "amount": 5}, headers=shop.headers)
    drain()
    assert receiver.calls == []
    assert sql("SELECT count(*) FROM callback_deliveries WHERE status = 'pending'") == 8

    turn("enable")
    drain()

    assert len(receiver.verified()) == 8
    assert sql("SELECT open_until FROM callback_endpoints") is None


def test_the_rest_waits_on_when_the_probe_fails(
    client, shop, endpoint, receiver, turn, drain, sql, monkeypatch
):
    monkeypatch.delenv("WEBHOOK_RETRY_INTERVALS_TEST")
    forget()
    given_up(endpoint, DisabledCode.GONE)
    for _ in range(8):
        client.post("/api/v1/orders", json={"currency": "EUR", "amount": 5}, headers=shop.headers)
    drain()
    receiver.answers = [(500, {}, b"")] * 100
    turn("enable")
    drain()

    assert len(receiver.calls) == 1
    assert sql("SELECT count(*) FROM callback_deliveries WHERE attempted > 0") == 1
    assert sql("SELECT open_until > gateway_now() FROM callback_endpoints")


def test_how_it_fares_is_shown(client, shop, endpoint, row, advance):
    def shown():
        path = f"/api/v1/webhook-endpoints/{endpoint['id']}"
        found = client.get(path, headers=shop.headers).json
        return found["circuit"], found["failing_since"], found["last_error"]

    assert shown() == ("closed", None, None)
    since = row().created_at
    row(open_until=since + timedelta(minutes=1), failing_since=since, last_error="HTTP 500.")
    told = ("open", endpoint["created_at"], "HTTP 500.")
    assert shown() == told
    advance(120)
    assert shown() == told, "half-open is open: only a probe goes"


def test_every_code_of_a_disabled_endpoint_is_described():
    described = EndpointSchema().fields["disabled_reason"].metadata["properties"]["code"]

    assert described["enum"] == [*DisabledCode]


def test_nobody_turns_anothers_endpoint(client, new_shop, endpoint, history):
    for stranger in (new_shop("Other"), new_shop("Live", livemode=True)):
        for verb in ("disable", "enable"):
            path = f"/api/v1/webhook-endpoints/{endpoint['id']}/{verb}"
            assert client.post(path, headers=stranger.headers).status_code == 404
    assert history(endpoint["id"]) == ["endpoint.created"]
