"""Too many calls: 429 with Retry-After, for who makes them and for nobody else."""

import threading

import pytest
from tests_support import forget

from gateway.app import create_app
from gateway.kernel import limits
from gateway.kernel.limits import SECOND

FORGED = {"Stripe-Signature": "t=1,v1=00"}


@pytest.fixture
def tight(database, monkeypatch):
    """A client whose gateway allows three calls, and two refusals, while time stands still."""
    monkeypatch.setattr(limits, "monotonic_ns", lambda: 1000 * SECOND)
    monkeypatch.setenv("GATEWAY_RATE_PER_KEY", "3")
    monkeypatch.setenv("GATEWAY_RATE_REFUSED", "2")
    forget()
    return create_app().test_client()


def calls(client, headers, count, **kwargs):
    return [client.get("/api/v1/merchant", headers=headers, **kwargs) for _ in range(count)]


def test_a_key_that_calls_too_often_is_told_to_wait(tight, shop):
    answers = calls(tight, shop.headers, 4)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.headers["Retry-After"] == "1"
    assert refused.content_type == "application/problem+json"
    assert refused.json["code"] == "rate_limited"
    assert "3 times a second" in refused.json["detail"]


def test_a_refused_change_changes_nothing(tight, shop, sql):
    calls(tight, shop.headers, 3)
    body = {"order_id": "one", "amount": 1999, "currency": "EUR"}

    assert tight.post("/api/v1/payments", json=body, headers=shop.headers).status_code == 429
    assert sql("SELECT count(*) FROM orders") == 0


def test_a_reader_who_waits_has_called_once(tight, shop):
    body = {"order_id": "one", "amount": 1999, "currency": "EUR"}
    payment = tight.post("/api/v1/payments", json=body, headers=shop.headers).json
    waiting = shop.headers | {"Prefer": "wait=1"}

    answers = [tight.get(f"/api/v1/payments/{payment['id']}", headers=waiting) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_one_key_does_not_use_up_anothers_calls(tight, shop, new_shop):
    calls(tight, shop.headers, 4)

    assert calls(tight, new_shop("Other").headers, 1)[0].status_code == 200


def test_time_gives_calls_back_one_by_one(tight, shop, monkeypatch):
    calls(tight, shop.headers, 4)

    monkeypatch.setattr(limits, "monotonic_ns", lambda: 1000 * SECOND + SECOND // 3 + 1)
    assert [answer.status_code for answer in calls(tight, shop.headers, 2)] == [200, 429]

    monkeypatch.setattr(limits, "monotonic_ns", lambda: 1002 * SECOND)
    assert [answer.status_code for answer in calls(tight, shop.headers, 4)] == [200] * 3 + [429]


def test_many_threads_at_once_are_counted_right(monkeypatch):
    monkeypatch.setattr(limits, "monotonic_ns", lambda: 1000 * SECOND)
    pace, allowed = limits.Pace(), []

    def call():
        allowed.extend(pace.keeps("somebody", 500) for _ in range(100))

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert allowed.count(True) == 500


def test_those_who_have_been_quiet_are_forgotten(monkeypatch):
    pace = limits.Pace()
    for number in range(limits.REMEMBERED + 5):
        monkeypatch.setattr(limits, "monotonic_ns", lambda n=number: n * SECOND)
        assert pace.keeps(str(number), 1)

    assert len(pace._spent_until) < 10


@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": "key_test_x", "X-Api-Secret": "guess"}])
def test_guessing_is_slowed_down_by_address(tight, headers):
    answers = calls(tight, headers, 3)

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[-1].headers["Retry-After"] == "1"


def test_a_valid_key_is_not_held_up_by_guesses_from_its_address(tight, shop):
    calls(tight, {}, 5)

    assert calls(tight, shop.headers, 1)[0].status_code == 200


def test_forged_webhooks_are_slowed_down(tight):
    answers = [tight.post("/webhooks/stripe", data="{}", headers=FORGED) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [400, 400, 429]


def test_other_addresses_are_counted_apart(tight):
    calls(tight, {}, 3)

    assert calls(tight, {}, 1, environ_base={"REMOTE_ADDR": "203.0.113.9"})[0].status_code == 401


def test_nobody_can_choose_the_address_they_are_counted_under(tight):
    answers = [
        calls(tight, {"X-Forwarded-For": f"203.0.113.{n}"}, 1)[0].status_code for n in range(3)
    ]

    assert answers == [401, 401, 429]


def test_a_trusted_proxy_says_who_is_calling(tight, monkeypatch):
    monkeypatch.setenv("GATEWAY_TRUSTED_PROXIES", "1")
    forget()
    client = create_app().test_client()

    def call(forwarded):
        return calls(client, {"X-Forwarded-For": forwarded}, 1)[0].status_code

    assert [call(f"203.0.113.{n}") for n in range(3)] == [401, 401, 401]
    # Only what the proxy itself added counts, not what the caller had put there before.
    assert [call(f"198.51.100.{n}, 203.0.113.77") for n in range(3)] == [401, 401, 429]
