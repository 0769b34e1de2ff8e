"""Another secret: both sign while the merchant changes over, and neither is seen anywhere else."""

import json
import logging

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

DAY = 86400


@pytest.fixture
def endpoint(client, shop, receiver):
    return receiver.register(client, shop, events=["order.created"])


@pytest.fixture
def rotate(client, shop, endpoint):
    """Give the endpoint another secret; the answer."""

    def call(headers=(), **body):
        path = f"/api/v1/webhook-endpoints/{endpoint['id']}/rotate-secret"
        answer = client.post(path, json=body, headers=shop.headers | dict(headers))
        assert answer.status_code == 200, answer.json
        return answer

    return call


@pytest.fixture
def signatures(client, shop, receiver, drain):
    """Make an order; what its callback carries, as (headers, body)."""

    def make():
        receiver.calls.clear()
        order = {"currency": "EUR", "amount": 500}
        assert client.post("/api/v1/orders", json=order, headers=shop.headers).status_code == 201
        drain()
        (call,) = receiver.calls
        return call

    return make


def opens(secret, call):
    """Whether a merchant's server that knows this secret takes the callback."""
    headers, body = call
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_both_secrets_sign_until_the_overlap_is_over(endpoint, rotate, signatures, advance):
    new = rotate().json["secret"]
    call = signatures()

    first, second = call[0]["webhook-signature"].split(" ")
    assert first.startswith("v1,")
    assert (opens(endpoint["secret"], call), opens(new, call)) == (True, True)
    assert opens(new, ({**call[0], "webhook-signature": first}, call[1]))
    assert opens(endpoint["secret"], ({**call[0], "webhook-signature": second}, call[1]))

    advance(DAY - 60)
    assert opens(endpoint["secret"], signatures())
    advance(61)
    late = signatures()
    assert (opens(endpoint["secret"], late), opens(new, late)) == (False, True)
    assert " " not in late[0]["webhook-signature"]


def test_without_an_overlap_the_old_one_signs_no_more(endpoint, rotate, signatures, sql):
    new = rotate(overlap_seconds=0).json
    call = signatures()

    assert (opens(endpoint["secret"], call), opens(new["secret"], call)) == (False, True)
    assert new["secret_rotates_until"] is None
    assert sql("SELECT previous_sealed_secret FROM callback_endpoints") is None


def test_of_three_secrets_the_last_two_sign(endpoint, rotate, signatures):
    second, third = rotate().json["secret"], rotate().json["secret"]
    call = signatures()

    assert [opens(each, call) for each in (endpoint["secret"], second, third)] == [
        False,
        True,
        True,
    ]


def test_an_overlap_ends_for_whoever_asks(client, shop, endpoint, rotate, advance):
    path = f"/api/v1/webhook-endpoints/{endpoint['id']}"
    until = rotate(overlap_seconds=60).json["secret_rotates_until"]

    shown = client.get(path, headers=shop.headers).json
    assert (shown["secret_rotates_until"], "secret" in shown) == (until, False)
    advance(61)
    assert client.get(path, headers=shop.headers).json["secret_rotates_until"] is None


def test_a_rotation_is_an_event_without_the_secret(endpoint, rotate, history, sql, caplog):
    with caplog.at_level(logging.DEBUG):
        secrets = [endpoint["secret"], rotate().json["secret"], rotate().json["secret"]]
    told = sql("SELECT json_agg(events)::text FROM events")
    kept = sql("SELECT json_agg(callback_endpoints)::text FROM callback_endpoints")

    assert history(endpoint["id"]) == ["endpoint.created", *["endpoint.updated"] * 2]
    assert "secret_rotates_until" in told
    assert "request" in caplog.text
    for secret in secrets:
        canary = secret.removeprefix("whsec_")
        assert canary not in told + kept + caplog.text


def test_a_repeated_rotation_shows_the_same_secret_once_more(rotate, signatures, sql):
    key = {"Idempotency-Key": "rotation-1"}
    first, again = rotate(key), rotate(key)
    call = signatures()

    assert first.data == again.data
    assert opens(json.loads(again.data)["secret"], call)
    assert first.json["secret"] not in sql("SELECT body FROM idempotency_keys")


def test_a_previous_secret_opens_in_its_own_row_only(
    client, shop, receiver, endpoint, order, drain, sql
):
    """Copied into another row it signs nothing there: that callback cannot be made."""
    receiver.register(client, shop)
    steal = (
        "UPDATE callback_endpoints SET previous_until = gateway_now() + interval '1 day',"
        " previous_sealed_secret = (SELECT sealed_secret FROM callback_endpoints WHERE id <> :id)"
        " WHERE id = :id"
    )
    sql(steal, id=endpoint["id"])
    drain(only="callbacks.")

    told = (
        "SELECT count(*) FROM callback_deliveries WHERE status = 'delivered' AND endpoint_id = :id"
    )
    assert sql(told, id=endpoint["id"]) == 0
    assert len(receiver.calls) > 0


@pytest.mark.parametrize("seconds", [-1, 604_801, True, "60", 1.5, None])
def test_an_overlap_of_more_than_a_week_is_refused(client, shop, endpoint, seconds, history):
    path = f"/api/v1/webhook-endpoints/{endpoint['id']}/rotate-secret"
    answer = client.post(path, json={"overlap_seconds": seconds}, headers=shop.headers)

    assert answer.status_code == 422
    assert answer.json["errors"][0]["param"] == "overlap_seconds"
    assert history(endpoint["id"]) == ["endpoint.created"]


def test_nobody_rotates_anothers_secret(client, new_shop, endpoint, history):
    path = f"/api/v1/webhook-endpoints/{endpoint['id']}/rotate-secret"
    for stranger in (new_shop("Other"), new_shop("Live", livemode=True)):
        assert client.post(path, json={}, headers=stranger.headers).status_code == 404
    assert history(endpoint["id"]) == ["endpoint.created"]
