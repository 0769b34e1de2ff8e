"""Which pages may read what: browsers enforce it by CORS."""

import pytest

from gateway.kernel import db

from .conftest import ORIGIN

ACCESS = "Access-Control-Allow-Origin"


def test_before_the_call_a_browser_hears_what_it_may_send(page):
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key",
    }
    answer = page.client.options("/api/v1/checkout", headers=asked)

    assert answer.status_code == 200
    assert answer.headers[ACCESS] == ORIGIN
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://SHOP.example",
        "http://[",
        "http://a]b",
        "https://127.0.0.1:8000",
        "null",
        "*",
    ],
)
def test_a_page_of_nobodys_is_told_nothing(page, origin):
    secret = page.open().json["client_secret"]
    page.origin = origin

    before = page.client.options("/api/v1/checkout", headers={"Origin": origin})
    answers = [page.open(), page.look(secret), page.cancel(secret, "0" * 64)]

    assert ACCESS not in before.headers
    for answer in answers:
        assert (answer.status_code, answer.json["code"]) == (403, "origin_not_allowed")
        assert ACCESS not in answer.headers


def test_an_allowed_page_reads_answers_and_refusals(page):
    opened = page.open()
    answers = [
        opened,
        page.look(opened.json["client_secret"]),
        page.look("nonsense"),
        page.open(order_id="x"),
        page.open(key="key_test_unknown"),
    ]

    assert [answer.headers[ACCESS] for answer in answers] == [ORIGIN] * 5
    assert [answer.status_code for answer in answers] == [201, 200, 404, 422, 401]


def test_another_merchants_page_is_refused_and_hears_why(page, new_shop, client):
    other = new_shop("Other")
    theirs = "https://other.example"
    client.patch("/api/v1/merchant", json={"allowed_origins": [theirs]}, headers=other.headers)
    secret = page.open().json["client_secret"]
    page.origin = theirs

    answer = page.look(secret)

    assert (answer.status_code, answer.json["code"]) == (403, "origin_not_allowed")
    assert page.open().json["code"] == "origin_not_allowed"


def test_no_page_may_read_what_needs_a_secret(page):
    for path in ("/payments", "/orders", "/merchant"):
        answer = page.as_merchant("GET", path)
        asked = page.client.get(f"/api/v1{path}", headers=page.shop.headers | page.headers)
        assert answer.status_code == 200
        assert ACCESS not in asked.headers


def test_without_a_browser_no_origin_is_needed_to_look(page):
    secret = page.open().json["client_secret"]
    page.origin = None

    assert page.look(secret).status_code == 200
    assert ACCESS not in page.look(secret).headers


def test_a_gateway_that_is_away_says_so_to_every_page(page, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    from tests_support import forget

    forget()
    answer = page.open()

    assert answer.status_code == 503
    assert answer.headers[ACCESS] == ORIGIN
    assert db.engine.cache_info().currsize == 1


def test_an_unknown_key_does_not_have_a_browser_ask_for_a_password(page):
    answer = page.open(key="key_test_unknown")

    assert not answer.headers["WWW-Authenticate"].startswith("Basic")
