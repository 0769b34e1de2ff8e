"""Servers that do their worst cost one deadline and no memory; certificates that do not hold are
not believed.
"""

import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests_support import forget, post

from gateway.callbacks import transfers

from .hostile import OK, RECEIVERS, Authority, says, served

DEADLINE, GRACE = 2.0, 3.0
MEGABYTE = 1024 * 1024


@pytest.fixture
def short(database, monkeypatch):
    monkeypatch.setenv("GATEWAY_CALLBACK_TIMEOUT", str(DEADLINE))
    forget()


def memory():
    """Bytes that this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_none_outlasts_the_deadline_or_takes_memory(short):
    sending, ended = transfers.Transfers(), {}
    with ExitStack() as stack:
        ports = {name: stack.enter_context(served(play)) for name, (play, _) in RECEIVERS.items()}
        before = most = memory()
        for name, port in ports.items():
            sending.start(name, f"http://127.0.0.1:{port}/", {"webhook-id": "evt_1"}, b"{}")
        while sending:
            ended |= dict(sending.wait(0.05))
            most = max(most, memory())
        sending.close()

    assert {name: ended[name].delivered for name in RECEIVERS} == {
        name: delivered for name, (_, delivered) in RECEIVERS.items()
    }
    assert max(result.duration_ms for result in ended.values()) <= (DEADLINE + GRACE) * 1000
    assert most - before <= 20 * MEGABYTE
    for name, result in ended.items():
        assert result.delivered or result.error.endswith("."), name
        assert len(result.body) <= 1024
        assert len(result.headers) <= 50
        assert "\x00" not in result.body + str(result.headers)


def test_what_they_said_is_written_down(client, new_shop, drain, short):
    """The oddest answers go through the database and out of the API again."""
    shops = [new_shop("One"), new_shop("Other")]  # each may have twenty endpoints
    with ExitStack() as stack:
        for number, (play, _) in enumerate(RECEIVERS.values()):
            url = f"http://127.0.0.1:{stack.enter_context(served(play))}/"
            body = {"url": url, "events": ["order.created"]}
            headers = shops[number % 2].headers
            answer = client.post("/api/v1/webhook-endpoints", json=body, headers=headers)
            assert answer.status_code == 201
        for shop in shops:
            order = {"currency": "EUR", "amount": 500}
            client.post("/api/v1/orders", json=order, headers=shop.headers)
        drain(only="callbacks.")

    path = "/api/v1/webhook-deliveries"
    logs = [
        client.get(f"{path}/{row['id']}", headers=shop.headers).json["attempt_log"]
        for shop in shops
        for row in client.get(f"{path}?limit=100", headers=shop.headers).json["data"]
    ]
    assert len(logs) == len(RECEIVERS)
    assert all(logs)


@pytest.fixture
def authority(tmp_path, short, monkeypatch):
    made = Authority(tmp_path)
    monkeypatch.setenv("GATEWAY_CALLBACK_CA_FILE", str(made.file))
    forget()
    return made


def post_to(context, host="127.0.0.1"):
    with served(says(OK + b"Content-Length: 0\r\n\r\n"), context) as port:
        return post(f"https://{host}:{port}/")


def test_a_certificate_that_holds_is_taken(authority):
    assert post_to(authority.context()).delivered


@pytest.mark.parametrize("fault", ["expired", "of another host", "of another authority"])
def test_a_certificate_that_does_not_hold_is_refused(authority, tmp_path, fault):
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    context = {
        "expired": lambda: authority.context(days=-1),
        "of another host": lambda: authority.context("shop.example"),
        "of another authority": lambda: authority.context(signed_by=Authority(stranger)),
    }[fault]()
    result = post_to(context)

    assert not result.delivered
    assert "certificate" in result.error


def test_plain_http_where_tls_is_expected_is_told_in_words(authority):
    result = post_to(None)

    assert result.error == "The TLS handshake failed."


def test_without_a_file_only_public_authorities_are_believed(authority, monkeypatch):
    monkeypatch.delenv("GATEWAY_CALLBACK_CA_FILE")
    forget()

    assert not post_to(authority.context()).delivered


def test_waking_ends_the_wait(database):
    sending = transfers.Transfers()
    began = time.monotonic()
    sending.wake()

    assert sending.wait(60) == []
    assert time.monotonic() - began < 50
    sending.close()
