"""Who is let in: a key with its own secret, in either form, and nobody else."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from gateway.kernel import db
from gateway.kernel.db import transaction
from gateway.merchants import service
from gateway.merchants.auth import last_used
from gateway.merchants.models import ApiKey, Merchant
from gateway.settings import settings

ORDER = {"currency": "EUR", "amount": 1999}


def ask(client, **headers):
    return client.get("/api/v1/merchant", headers=headers)


def basic(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return "Basic " + base64.b64encode(raw).decode()


def check(answer, status, code):
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def new_key(shop, **what):
    with transaction(actor="test:setup") as tx:
        return service.create_key(tx, tx.get_one(Merchant, shop.merchant_id), **what)


def test_a_key_with_its_secret_opens(client, shop):
    answer = client.get("/api/v1/merchant", headers=shop.headers)

    assert (answer.status_code, answer.json["id"]) == (200, shop.merchant_id)


def test_the_same_pair_opens_as_basic(client, shop):
    answer = ask(client, Authorization=basic(f"{shop.key}:{shop.secret}"))

    assert answer.json["id"] == shop.merchant_id


def test_a_wrong_secret_is_401(client, new_shop):
    one, two = new_shop("One"), new_shop("Two")

    for secret in ("", " ", "x", one.secret[:-1], one.secret + "x", one.secret.upper(), two.secret):
        check(ask(client, **{"X-Api-Key": one.key, "X-Api-Secret": secret}), 401, "unauthenticated")


def test_basic_with_an_empty_password_is_an_empty_secret(client, shop):
    check(ask(client, Authorization=basic(f"{shop.key}:")), 401, "unauthenticated")


def test_a_key_without_a_secret_is_publishable_and_opens_no_merchants_call(client, shop):
    check(ask(client, **{"X-Api-Key": shop.key}), 403, "secret_required")
    answer = client.post("/api/v1/orders", json=ORDER, headers={"X-Api-Key": shop.key})
    check(answer, 403, "secret_required")


def test_no_or_an_unknown_key_is_401_with_and_without_a_secret(client, shop):
    unknown = [
        "",
        "key_test_unknown",
        "key_live_unknown",
        shop.key.upper(),
        shop.key + "x",
        "x" * 8000,
    ]
    check(ask(client), 401, "unauthenticated")
    check(ask(client, **{"X-Api-Secret": shop.secret}), 401, "unauthenticated")
    for key in unknown:
        check(ask(client, **{"X-Api-Key": key}), 401, "unauthenticated")
        headers = {"X-Api-Key": key, "X-Api-Secret": shop.secret}
        check(ask(client, **headers), 401, "unauthenticated")


@pytest.mark.parametrize("form", ["with its secret", "alone"])
def test_a_revoked_key_is_401(client, shop, form):
    with transaction(actor="test:setup") as tx:
        service.revoke_key(tx, shop.key)

    headers = shop.headers if form == "with its secret" else {"X-Api-Key": shop.key}
    check(ask(client, **headers), 401, "unauthenticated")


def test_revoking_one_key_leaves_the_others(client, shop):
    rolled = new_key(shop, livemode=False)
    with transaction(actor="test:setup") as tx:
        service.revoke_key(tx, shop.caller.key_id)

    headers = {"X-Api-Key": rolled.key, "X-Api-Secret": rolled.secret}
    assert ask(client, **headers).status_code == 200


def test_a_key_is_revoked_once_and_for_good(shop, advance):
    with transaction(actor="test:setup") as tx:
        first = service.revoke_key(tx, shop.key).revoked_at
    advance(3600)

    with transaction(actor="test:setup") as tx:
        assert service.revoke_key(tx, shop.key).revoked_at == first


GARBLED = [
    "",
    "Basic",
    "Basic !!!",
    "Basic " + "A" * 7,
    basic("nocolon"),
    basic(b"key_test_\xe9:secret"),
    basic(b"\xff\xfe:\xff"),
    basic("key_test_x\0:y"),
    basic(":"),
    "Bearer secret_test_xyz789",
    "Digest username=x",
    "Basic a, Basic b",
]


def test_a_garbled_authorization_is_401(client):
    for header in GARBLED:
        check(ask(client, Authorization=header), 401, "unauthenticated")


@pytest.mark.parametrize("name", ["X-Api-Key", "X-Api-Secret"])
def test_bytes_beyond_ascii_in_headers_are_401(client, shop, name):
    for text in ("\xe9", "key_test_\xe9", "\xff\xfe", "\x80", "€".encode().decode("latin-1")):
        check(ask(client, **(shop.headers | {name: text})), 401, "unauthenticated")


def test_a_key_in_the_query_opens_nothing(client, shop):
    answer = client.get(f"/api/v1/merchant?key={shop.key}&secret={shop.secret}")

    check(answer, 401, "unauthenticated")


def test_a_forged_forwarded_address_changes_nothing(client, shop):
    assert ask(client, **(shop.headers | {"X-Forwarded-For": "127.0.0.1"})).status_code == 200
    check(ask(client, **{"X-Forwarded-For": "127.0.0.1"}), 401, "unauthenticated")


def everything_of(client, headers):
    """A path to one of each thing this key owns."""
    own = {"headers": headers}
    order = client.post("/api/v1/orders", json=ORDER | {"reference": "mine"}, **own).json
    payment = client.post("/api/v1/payments", json={"order_id": order["id"]}, **own).json
    hook = {"url": "https://shop.example/hook", "events": ["*"]}
    endpoint = client.post("/api/v1/webhook-endpoints", json=hook, **own).json
    return [
        f"/orders/{order['id']}",
        "/orders/mine",
        f"/payments/{payment['id']}",
        f"/webhook-endpoints/{endpoint['id']}",
    ]


def live_headers(shop):
    live = new_key(shop, livemode=True)
    return {"X-Api-Key": live.key, "X-Api-Secret": live.secret}


@pytest.mark.parametrize("who", ["another merchant", "the other mode"])
def test_what_belongs_to_somebody_else_is_not_there(client, shop, new_shop, who):
    paths = everything_of(client, shop.headers)
    others = new_shop("Other").headers if who == "another merchant" else live_headers(shop)

    for path in paths:
        assert client.get(f"/api/v1{path}", headers=shop.headers).status_code == 200
        check(client.get(f"/api/v1{path}", headers=others), 404, "not_found")
    for kind in ("orders", "payments", "webhook-endpoints", "webhook-deliveries"):
        answer = client.get(f"/api/v1/{kind}", headers=others)
        assert answer.json == {"data": [], "has_more": False}


@pytest.mark.parametrize("who", ["another merchant", "the other mode"])
def test_what_belongs_to_somebody_else_cannot_be_changed(client, shop, new_shop, who, sql):
    order, _, payment, endpoint = everything_of(client, shop.headers)
    others = new_shop("Other").headers if who == "another merchant" else live_headers(shop)
    before = sql("SELECT count(*) FROM events")

    tries = [
        client.post("/api/v1/payments", json={"order_id": order[8:]}, headers=others),
        client.patch(f"/api/v1{endpoint}", json={"events": ["*"]}, headers=others),
        client.delete(f"/api/v1{endpoint}", headers=others),
        client.post(f"/api/v1/webhook-deliveries/{payment[10:]}/retry", headers=others),
    ]

    assert [answer.status_code for answer in tries] == [404] * 4
    assert sql("SELECT count(*) FROM events") == before


def test_the_mode_of_a_key_is_the_mode_of_what_it_makes(client, shop):
    headers = live_headers(shop)

    answer = client.post("/api/v1/orders", json=ORDER, headers=headers)

    assert answer.json["livemode"] is True
    assert headers["X-Api-Key"].startswith("key_live_")
    assert headers["X-Api-Secret"].startswith("secret_live_")


def test_a_secret_is_nowhere_in_the_database(client, shop, sql):
    everything_of(client, shop.headers)
    tables = sql(
        "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'"
    ).split()

    held = {table: sql(f"SELECT string_agg(t::text, ' ') FROM {table} t") or "" for table in tables}

    assert shop.key in held["api_keys"]
    for form in (shop.secret, shop.secret.removeprefix("secret_test_"), shop.secret.encode().hex()):
        assert [table for table, rows in held.items() if form in rows] == []


def test_a_hash_needs_the_servers_pepper(shop, sql):
    assert bytes(sql("SELECT secret_hash FROM api_keys")) == service.hash_secret(shop.secret)
    assert service.hash_secret(shop.secret) != hashlib.sha256(shop.secret.encode()).digest()


def test_no_two_keys_are_alike(shop):
    made = [new_key(shop, livemode=False) for _ in range(5)]

    assert len({key.key for key in made} | {key.secret for key in made}) == 10
    assert all(len(key.secret) > 40 for key in made)


def test_the_last_use_is_written_by_the_flush_and_not_by_the_request(client, shop, sql):
    ask(client, **shop.headers)
    assert sql("SELECT last_used_at FROM api_keys") is None

    last_used.flush()

    used = sql("SELECT last_used_at FROM api_keys")
    assert datetime.now(UTC) - used < timedelta(seconds=30)


def test_a_refused_secret_is_no_use_of_the_key(client, shop, sql):
    last_used.flush()
    ask(client, **(shop.headers | {"X-Api-Secret": "wrong"}))

    last_used.flush()

    assert sql("SELECT last_used_at FROM api_keys") is None


def test_a_flush_without_a_database_is_only_a_hint_lost(shop, monkeypatch):
    last_used.note(shop.caller.key_id)
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        db.engine().dispose()
        db.engine.cache_clear(), settings.cache_clear()
        last_used.flush()
    db.engine.cache_clear(), settings.cache_clear()

    with transaction(actor="test:read") as tx:
        assert tx.get_one(ApiKey, shop.caller.key_id).last_used_at is None
