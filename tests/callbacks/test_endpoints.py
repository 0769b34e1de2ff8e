"""Webhook endpoints over HTTP: create, list, read, change, delete."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from gateway.callbacks.models import Endpoint, EndpointStatus
from gateway.dev.walk import wait_for
from gateway.kernel.db import lock, transaction


def post(client, shop, body, **headers):
    return client.post("/api/v1/webhook-endpoints", json=body, headers=shop.headers | headers)


def test_the_secret_is_shown_once_and_never_again(client, shop, sql):
    created = post(client, shop, {"url": "https://shop.example/hooks"}).json
    secret = created.pop("secret")

    read = client.get(f"/api/v1/webhook-endpoints/{created['id']}", headers=shop.headers).json
    listed = client.get("/api/v1/webhook-endpoints", headers=shop.headers).json
    assert secret.startswith("whsec_")
    assert read == created
    assert listed == {"data": [created], "has_more": False}
    assert secret not in sql("SELECT sealed_secret FROM callback_endpoints")
    assert secret not in sql("SELECT string_agg(data::text, '') FROM events")


def test_a_repeated_key_shows_the_same_secret_from_a_sealed_answer(client, shop, sql):
    body = {"url": "https://shop.example/hooks"}
    first = post(client, shop, body, **{"Idempotency-Key": "one"})
    again = post(client, shop, body, **{"Idempotency-Key": "one"})

    assert first.data == again.data
    assert first.json["secret"] not in sql("SELECT body FROM idempotency_keys")


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hooks",
        "ftp://shop.example",
        "file:///etc/passwd",
        "gopher://shop.example",
        "https://",
        "https://user@shop.example/",
        "https://shop.example/#here",
        "https://good\\@evil.example",
        "https://shop.example/a b",
        "https://shöp.example/",
        "https://shop.example:0/",
        "https://shop.example:99999/",
        "https://[::1",
        "https://shop.example/\r\nX: y",
        "//shop.example",
        "shop.example",
        "",
        "https://shop.example/" + "x" * 2000,
    ],
)
def test_an_address_we_would_not_send_to_is_refused(client, shop, url):
    answer = post(client, shop, {"url": url})

    assert answer.status_code == 422
    assert answer.json["errors"][0]["param"] == "url"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://localhost:9", "http://[::1]:9/"])
def test_outside_production_plain_http_may_stay_on_this_machine(client, shop, url):
    assert post(client, shop, {"url": url}).status_code == 201


@pytest.mark.parametrize("events", [[], ["payment.nonsense"], "*", [1], {"*": 1}, None])
def test_unknown_event_types_are_refused(client, shop, events):
    answer = post(client, shop, {"url": "https://shop.example/", "events": events})

    assert answer.status_code == 422
    assert answer.json["errors"][0]["param"].startswith("events")


def test_a_change_is_an_event_and_an_empty_one_is_none(client, shop, history):
    endpoint = post(client, shop, {"url": "https://shop.example/"}).json
    path = f"/api/v1/webhook-endpoints/{endpoint['id']}"
    changed = client.patch(path, json={"events": ["payment.succeeded"]}, headers=shop.headers)
    client.patch(path, json={}, headers=shop.headers)

    assert changed.json["events"] == ["payment.succeeded"]
    assert history(endpoint["id"]) == ["endpoint.created", "endpoint.updated"]


def test_a_deleted_endpoint_is_gone_for_its_merchant(client, shop, history):
    endpoint = post(client, shop, {"url": "https://shop.example/"}).json
    path = f"/api/v1/webhook-endpoints/{endpoint['id']}"

    assert client.delete(path, headers=shop.headers).json["status"] == "deleted"
    assert client.get(path, headers=shop.headers).status_code == 404
    assert client.delete(path, headers=shop.headers).status_code == 404
    assert history(endpoint["id"]) == ["endpoint.created", "endpoint.deleted"]


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_whoever_waits_for_a_deletion_finds_nothing(client, shop, method, history):
    path = (
        f"/api/v1/webhook-endpoints/{post(client, shop, {'url': 'https://a.example'}).json['id']}"
    )
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    what = {"json": {"events": ["*"]} if method == "PATCH" else None, "headers": shop.headers}

    with ThreadPoolExecutor(1) as pool:
        with transaction(actor="test:first") as tx:
            lock(tx, Endpoint, path[26:]).transition_to(EndpointStatus.DELETED)
            second = pool.submit(client.open, path, method=method, **what)
            wait_for("the second to wait", lambda: tx.scalar(waiting), seconds=10)
        answer = second.result()

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert history(path[26:]) == ["endpoint.created", "endpoint.deleted"]


def test_another_merchants_endpoint_does_not_exist(client, shop, new_shop):
    endpoint = post(client, shop, {"url": "https://shop.example/"}).json
    path = f"/api/v1/webhook-endpoints/{endpoint['id']}"
    for stranger in (new_shop("Other"), new_shop("Live", livemode=True)):
        for call in (client.get, client.patch, client.delete):
            assert call(path, json={}, headers=stranger.headers).status_code == 404


def test_there_is_a_limit_of_endpoints(client, shop):
    for number in range(20):
        assert post(client, shop, {"url": f"https://shop.example/{number}"}).status_code == 201

    refused = post(client, shop, {"url": "https://shop.example/more"})

    assert (refused.status_code, refused.json["code"]) == (409, "too_many_endpoints")


def test_endpoints_made_at_once_are_counted_one_after_the_other(client, shop):
    def make(number):
        return post(client.application.test_client(), shop, {"url": f"https://s{number}.example/"})

    for number in range(18):
        assert make(number).status_code == 201
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(make, range(18, 24)))

    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 4
