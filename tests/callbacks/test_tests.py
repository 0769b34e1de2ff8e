"""A test of an endpoint: an event like any other, which this one hears whatever it wants."""

import pytest
from tests_support import check_problem


@pytest.fixture
def send_test(client, shop):
    def call(endpoint, headers=(), **keys):
        path = f"/api/v1/webhook-endpoints/{endpoint['id']}/test"
        return client.post(path, headers=keys.get("by", shop).headers | dict(headers))

    return call


def delivery_of(client, shop, told):
    """Found as a merchant would."""
    path = f"/api/v1/webhook-deliveries?event_id={told['event_id']}"
    found = client.get(path, headers=shop.headers).json["data"]
    return next(each for each in found if each["endpoint_id"] == told["endpoint_id"])


def test_it_comes_though_the_endpoint_wants_other_things(client, shop, receiver, send_test, drain):
    endpoint = receiver.register(client, shop, events=["payment.succeeded"])
    answer = send_test(endpoint)
    drain()

    assert answer.status_code == 202
    assert answer.json == {
        "event_id": delivery_of(client, shop, answer.json)["event_id"],
        "type": "endpoint.tested",
        "endpoint_id": endpoint["id"],
    }
    assert delivery_of(client, shop, answer.json)["status"] == "delivered"
    (body,) = receiver.verified()
    path = f"/api/v1/webhook-endpoints/{endpoint['id']}"
    shown = client.get(path, headers=shop.headers).json
    assert (body["type"], body["data"]) == ("endpoint.tested", shown)


@pytest.mark.parametrize(
    ("events", "hears"), [(["*"], True), (["endpoint.tested"], True), (["order.created"], False)]
)
def test_others_hear_of_it_if_they_want_it(
    client, shop, receiver, send_test, drain, sql, events, hears
):
    other = client.post(
        "/api/v1/webhook-endpoints",
        json={"url": receiver.url, "events": events},
        headers=shop.headers,
    ).json
    drain()
    tested = receiver.register(client, shop, events=["payment.succeeded"])
    told = send_test(tested).json
    drain()

    count = "SELECT count(*) FROM callback_deliveries WHERE event_id = :event AND endpoint_id = :id"
    assert sql(count, event=told["event_id"], id=other["id"]) == hears
    assert sql(count, event=told["event_id"], id=tested["id"]) == 1


def test_each_asking_is_a_test_and_a_repeated_key_is_none(client, shop, receiver, send_test):
    endpoint = receiver.register(client, shop)
    key = {"Idempotency-Key": "test-1"}
    first, again, other = (send_test(endpoint, each).json for each in (key, key, {}))

    assert first == again
    assert first["event_id"] != other["event_id"]


def test_a_disabled_endpoint_is_not_tested_and_the_way_out_is_named(
    client, shop, receiver, send_test, history
):
    endpoint = receiver.register(client, shop)
    path = f"/api/v1/webhook-endpoints/{endpoint['id']}"
    client.post(f"{path}/disable", headers=shop.headers)

    refused = check_problem(send_test(endpoint), 409, "endpoint_disabled")

    assert f"POST {path}/enable" in refused["detail"]
    assert "endpoint.tested" not in history(endpoint["id"])
    client.post(f"{path}/enable", headers=shop.headers)
    assert send_test(endpoint).status_code == 202


def test_nobody_tests_anothers_endpoint(client, shop, new_shop, receiver, send_test, history):
    endpoint = receiver.register(client, shop)
    for stranger in (new_shop("Other"), new_shop("Live", livemode=True)):
        check_problem(send_test(endpoint, by=stranger), 404, "not_found")
    assert history(endpoint["id"]) == ["endpoint.created"]
