"""A key stands for one request: done once, answered alike for ever, and free again if refused."""

import json
import threading

import pytest
from sqlalchemy import text
from tests_support import check_problem

from gateway.app import create_app
from gateway.kernel import crashpoints
from gateway.kernel.crashpoints import Crash
from gateway.kernel.db import transaction
from gateway.merchants import service
from gateway.merchants.models import Merchant
from gateway.payments.schemas import client_secret

from .support import ACTOR, at_once

ORDER = {"currency": "EUR", "amount": 1999}
PAYMENT = {"order_id": "ord-1", "currency": "EUR", "amount": 1999}


def post(client, shop, body=ORDER, *, key="k-1", path="/orders"):
    headers = shop.headers | {"Idempotency-Key": key}
    return client.post(f"/api/v1{path}", json=body, headers=headers)


def test_a_repeated_key_gets_the_same_bytes_and_status(client, shop, sql):
    first = post(client, shop)

    again = post(client, shop)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Request-Id"] != first.headers["Request-Id"]
    assert sql("SELECT count(*) FROM orders") == sql("SELECT count(*) FROM events") == 1


def test_the_answer_is_the_first_one_even_when_the_row_has_moved(client, shop, sql):
    first = post(client, shop)
    sql("UPDATE orders SET status = 'cancelled'")

    assert post(client, shop).data == first.data


def test_a_200_is_replayed_as_200(client, shop):
    body = ORDER | {"reference": "r-1"}
    post(client, shop, body, key="first")
    found = post(client, shop, body, key="second")

    again = post(client, shop, body, key="second")

    assert (found.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_without_a_key_nothing_is_kept(client, shop, sql):
    for _ in range(2):
        answer = client.post("/api/v1/orders", json=ORDER, headers=shop.headers)
        assert answer.status_code == 201

    assert sql("SELECT count(*) FROM orders") == 2
    assert sql("SELECT count(*) FROM idempotency_keys") == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/orders", ORDER | {"amount": 2000}),
        ("/payments", PAYMENT),
        ("/orders", {"nonsense": True} | ORDER | {"amount": 5}),
    ],
    ids=["another amount", "another route", "another order of names"],
)
def test_a_key_with_another_request_is_422(client, shop, sql, path, body):
    post(client, shop)
    body = {name: value for name, value in body.items() if name != "nonsense"}

    answer = post(client, shop, body, path=path)

    problem = check_problem(answer, 422, "idempotency_key_reused")
    assert "k-1" in problem["detail"]
    assert sql("SELECT count(*) FROM orders") == 1


def test_the_same_request_said_in_another_way_is_the_same(client, shop, sql):
    first = post(client, shop)
    said = json.dumps(dict(reversed(ORDER.items())) | {"metadata": {}}, indent=3)
    headers = shop.headers | {"Idempotency-Key": "k-1", "Content-Type": "application/json"}

    again = client.post("/api/v1/orders", data=said, headers=headers)

    assert (again.status_code, again.data) == (201, first.data)
    assert sql("SELECT count(*) FROM orders") == 1


def test_a_refusal_frees_the_key(client, shop, sql):
    refused = post(client, shop, ORDER | {"amount": 0})
    assert refused.status_code == 422
    assert sql("SELECT count(*) FROM idempotency_keys") == 0

    answer = post(client, shop)

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


def test_a_conflict_frees_the_key_too(client, shop, sql):
    post(client, shop, ORDER | {"reference": "r-1"}, key="first")

    refused = post(client, shop, ORDER | {"reference": "r-1", "amount": 5}, key="second")

    check_problem(refused, 409, "duplicate_order")
    assert post(client, shop, ORDER | {"reference": "r-2"}, key="second").status_code == 201


def test_a_key_is_the_merchants_own(client, new_shop):
    one, two = new_shop("One"), new_shop("Two")

    first, second = post(client, one), post(client, two)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["id"] != second.json["id"]


def test_a_key_belongs_to_one_mode(client, shop, database):
    with transaction(actor="test:setup") as tx:
        live = service.create_key(tx, tx.get_one(Merchant, shop.merchant_id), livemode=True)
    headers = {"X-Api-Key": live.key, "X-Api-Secret": live.secret, "Idempotency-Key": "k-1"}

    in_test = post(client, shop)
    in_live = client.post("/api/v1/orders", json=ORDER, headers=headers)

    assert (in_live.status_code, in_live.json["livemode"]) == (201, True)
    assert in_live.json["id"] != in_test.json["id"]


def test_another_key_of_the_same_merchant_shares_them(client, shop):
    first = post(client, shop)
    with transaction(actor="test:setup") as tx:
        rolled = service.create_key(tx, tx.get_one(Merchant, shop.merchant_id), livemode=False)
    headers = {"X-Api-Key": rolled.key, "X-Api-Secret": rolled.secret, "Idempotency-Key": "k-1"}

    assert client.post("/api/v1/orders", json=ORDER, headers=headers).data == first.data


def test_composed_and_decomposed_letters_are_no_keys(client, shop):
    """Visible ASCII only, so no two keys look alike and differ."""
    for key in ("caf\u00e9", "cafe\u0301".encode().decode("latin-1")):
        check_problem(post(client, shop, key=key), 422, "invalid_request")


BAD_KEYS = ["", " ", "a b", "a\tb", "\x7f", "\x80", "\xff", "x" * 256]


def test_a_key_that_is_not_visible_ascii_is_422(client, shop, sql):
    for key in BAD_KEYS:
        problem = check_problem(post(client, shop, key=key), 422, "invalid_request")
        assert problem["errors"][0]["param"] == "Idempotency-Key"

    assert sql("SELECT count(*) FROM orders") == 0


def test_a_key_of_any_visible_ascii_up_to_255_is_fine(client, shop):
    for number, key in enumerate(("x" * 255, "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~", "0")):
        body = ORDER | {"amount": number + 1}
        assert post(client, shop, body, key=key).status_code == 201
        assert post(client, shop, body, key=key).headers["Idempotent-Replayed"] == "true"


def test_a_stored_answer_that_shows_a_secret_cannot_be_read_in_the_table(client, shop, sql):
    first = post(client, shop, PAYMENT, path="/payments")
    secret = client_secret(first.json["id"])
    assert first.json["client_secret"] == secret

    stored = sql("SELECT body FROM idempotency_keys")
    again = post(client, shop, PAYMENT, path="/payments")

    assert sql("SELECT sealed FROM idempotency_keys") is True
    assert secret not in stored
    assert first.json["id"] not in stored
    assert again.data == first.data


def test_the_secret_of_an_endpoint_is_nowhere_in_the_clear(client, shop, sql):
    body = {"url": "https://shop.example/hook", "events": ["*"]}
    first = post(client, shop, body, path="/webhook-endpoints")
    secret = first.json["secret"]

    again = post(client, shop, body, path="/webhook-endpoints")

    assert secret.startswith("whsec_")
    assert again.data == first.data
    for table in ("idempotency_keys", "callback_endpoints", "events"):
        rows = sql(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        assert rows
        assert secret not in rows


def test_a_sealed_answer_does_not_open_in_another_row(client, shop, sql):
    post(client, shop, PAYMENT, path="/payments")
    sql("UPDATE idempotency_keys SET key = 'k-2'")

    answer = post(client, shop, PAYMENT, key="k-2", path="/payments")

    check_problem(answer, 500, "internal_error")
    assert "secret" not in answer.json


def test_while_a_request_runs_its_key_is_in_use(client, shop, sql):
    inside, finish = threading.Event(), threading.Event()

    def hold(name):
        if name == "api before commit":
            inside.set()
            finish.wait(5)

    crashpoints.arm(hold)
    answers = []
    own_client = create_app().test_client()
    first = threading.Thread(target=lambda: answers.append(post(own_client, shop)))
    first.start()
    inside.wait(5)
    crashpoints.arm(None)
    in_use = post(client, shop)
    other_key = post(client, shop, key="k-2")
    finish.set()
    first.join(5)

    check_problem(in_use, 409, "idempotency_key_in_use")
    assert in_use.headers["Retry-After"] == "1"
    assert other_key.status_code == 201
    assert answers[0].status_code == 201
    assert post(client, shop).data == answers[0].data


def test_twenty_at_once_with_one_key_are_done_once(shop, sql):
    app = create_app()

    answers = at_once(20, lambda _: post(app.test_client(), shop, PAYMENT, path="/payments"))

    done = [a for a in answers if a.status_code == 201 and "Idempotent-Replayed" not in a.headers]
    assert len(done) == 1
    for answer in answers:
        if answer.status_code == 201:
            assert answer.data == done[0].data
        else:
            check_problem(answer, 409, "idempotency_key_in_use")
            assert answer.headers["Retry-After"] == "1"
    assert sql("SELECT count(*) FROM payments") == sql("SELECT count(*) FROM orders") == 1


def test_a_crash_before_the_commit_leaves_neither_key_nor_row(client, shop, sql):
    def crash(name):
        if name == "api before commit":
            raise Crash(name)

    crashpoints.arm(crash)
    with pytest.raises(Crash):
        post(client, shop)
    crashpoints.arm(None)
    left = [sql(f"SELECT count(*) FROM {t}") for t in ("idempotency_keys", "orders", "events")]

    again = post(client, shop)

    assert left == [0, 0, 0]
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again.headers


def test_a_crash_after_the_commit_is_answered_by_the_repetition(client, shop, sql):
    def crash(name):
        if name == "api after commit":
            raise Crash(name)

    crashpoints.arm(crash)
    with pytest.raises(Crash):
        post(client, shop, PAYMENT, path="/payments")
    crashpoints.arm(None)

    again = post(client, shop, PAYMENT, path="/payments")

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json["id"] == sql("SELECT id FROM payments")


def test_a_replay_needs_the_right_secret(client, shop):
    post(client, shop, PAYMENT, path="/payments")

    headers = shop.headers | {"X-Api-Secret": "secret_test_wrong", "Idempotency-Key": "k-1"}
    answer = client.post("/api/v1/payments", json=PAYMENT, headers=headers)

    check_problem(answer, 401, "unauthenticated")


def test_keys_are_for_posts_only(client, shop, sql):
    headers = shop.headers | {"Idempotency-Key": "k-1"}

    for origin in ("https://a.example", "https://b.example"):
        body = {"allowed_origins": [origin]}
        answer = client.patch("/api/v1/merchant", json=body, headers=headers)
        assert answer.json["allowed_origins"] == [origin]

    assert sql("SELECT count(*) FROM idempotency_keys") == 0


def test_the_key_is_kept_with_the_gateways_time(client, shop, advance):
    advance(86400)
    post(client, shop)

    with transaction(actor=ACTOR) as tx:
        ages = tx.scalar(text("SELECT gateway_now() - created_at FROM idempotency_keys"))
    assert 0 <= ages.total_seconds() < 60
