"""Bytes that no client library sends, to the web process as it runs in the demo.

What the HTTP server refuses by itself has no problem document; it must still be refused, nothing
may be written, and the process must go on answering.
"""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.kernel.db import transaction
from gateway.kernel.http import MAX_BODY
from gateway.orders.models import Order

from .wire import JSON, OWN, chunk, request

ORDERS = b"/api/v1/orders"
ORDER = json.dumps({"currency": "EUR", "amount": 1999}).encode()
BIG = b" " * 65536


@pytest.fixture(autouse=True)
def lives_on(server):
    """After whatever it was sent it answers, and has nothing to report."""
    yield
    assert server.ask("GET", "/healthz").status == 200
    log = server.log.read_text(errors="replace")
    assert "Traceback" not in log
    assert "request failed" not in log


@pytest.fixture
def nothing_made(server):
    before = orders()
    yield
    assert orders() == before


def orders():
    with transaction(actor="test:count") as tx:
        return tx.query(Order).count()


def post(headers=b"", body=ORDER, path=ORDERS):
    return request("POST", path, OWN + JSON + headers, body)


def check(answer, status, code):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json["status"], answer.json["code"]) == (status, code)
    assert answer.json["request_id"] == answer.headers["request-id"]


def test_a_sound_request_is_sound_also_in_chunks(server):
    assert server.send(post()).status == 201
    body = chunk(ORDER[:7]) + chunk(ORDER[7:]) + chunk(b"")
    assert server.send(post(b"Transfer-Encoding: chunked\r\n", body)).status == 201


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize("start", [ORDER, b"", b"["], ids=["an order", "blanks", "an array"])
def test_a_body_in_chunks_is_limited_like_any_other(server, start):
    """And is not cut at the limit: what comes first might be a whole order."""
    endless = (chunk(start) if start else b"", *[chunk(BIG)] * 200)

    answer = server.send(post(b"Transfer-Encoding: chunked\r\n", b""), *endless)

    check(answer, 413, "body_too_large")


def test_a_body_in_chunks_may_have_all_that_is_allowed(server):
    full = chunk(ORDER) + chunk(b" " * (MAX_BODY - len(ORDER)))
    sized = b"Transfer-Encoding: chunked\r\n"

    assert server.send(post(sized, full + chunk(b""))).status == 201
    check(server.send(post(sized, full + chunk(b" ") + chunk(b""))), 413, "body_too_large")


@pytest.mark.usefixtures("nothing_made")
def test_a_webhook_in_chunks_is_limited_too(server):
    hook = request("POST", b"/webhooks/stripe", b"Transfer-Encoding: chunked\r\n")

    check(server.send(hook, *[chunk(BIG)] * 100), 413, "body_too_large")


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize("length", [1_000_000_000, 2**63, MAX_BODY + 1])
def test_a_body_that_says_it_is_too_long_is_refused_unread(server, length):
    check(server.send(post(b"Content-Length: %d\r\n" % length)), 413, "body_too_large")


LENGTHS = {
    "negative": b"Content-Length: -5\r\n",
    "two": b"Content-Length: %d\r\nContent-Length: 5\r\n" % len(ORDER),
    "a list": b"Content-Length: %d, 5\r\n" % len(ORDER),
    "beyond 64 bits": b"Content-Length: 99999999999999999999999\r\n",
    "no number": b"Content-Length: abc\r\n",
    "hexadecimal": b"Content-Length: 0x20\r\n",
    "a plus": b"Content-Length: +32\r\n",
    "a fraction": b"Content-Length: 32.0\r\n",
    "too short": b"Content-Length: 5\r\n",
    "a chunk that is none": b"Transfer-Encoding: chunked\r\n",
}


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize("header", LENGTHS.values(), ids=LENGTHS)
def test_a_length_that_cannot_be_is_400(server, header):
    assert server.send(post(header)).status == 400


@pytest.mark.usefixtures("nothing_made")
def test_a_body_that_ends_early_makes_nothing(server):
    answer = server.send(post(b"Content-Length: 500\r\n"), hang_up=True)

    assert answer.status in (0, 400), answer


def test_senders_who_never_finish_keep_nobody_out(server):
    lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
    try:
        for line in lines:
            line.sendall(post(b"Content-Length: 500\r\n"))
        assert server.ask("GET", "/api/v1/merchant").status == 200
        assert server.ask("GET", "/healthz").status == 200
    finally:
        for line in lines:
            line.close()


def test_two_lengths_in_disagreement_smuggle_no_second_request(server):
    inner = request("GET", b"/api/v1/merchant")
    both = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(chunk(b"") + inner)
    first = post(both, chunk(b"") + inner)

    answer = server.send(first)

    assert answer.status == 400
    assert b'"mer_' not in answer.body


PATHS = {
    "NUL": (b"/api/v1/orders/%00", 404),
    "NUL, raw": (b"/api/v1/orders/\x00", 400),
    "ff": (b"/api/v1/orders/%ff", 404),
    "ff, raw": (b"/api/v1/orders/\xff", 400),
    "UTF-8, raw": (b"/api/v1/orders/\xc3\xa9", 404),
    "a line feed": (b"/api/v1/orders/%0d%0aSet-Cookie:%20x", 404),
    "a blank": (b"/api/v1/orders/a b", 400),
    "traversal": (b"/api/v1/orders/..%2f..%2fetc%2fpasswd", 404),
    "traversal, raw": (b"/api/v1/orders/../../../etc/passwd", 404),
    "traversal, of files": (b"/docs/swagger/..%2f..%2f..%2fapp.py", 404),
    "traversal, raw, of files": (b"/docs/swagger/../document.py", 404),
    "NUL, of files": (b"/docs/swagger/%00", 404),
    "60,000": (b"/api/v1/orders/" + b"x" * 60_000, 404),
    "100,000": (b"/api/v1/orders/" + b"x" * 100_000, 414),
    "two slashes": (b"//evil.example/%2e%2e", 404),
    "two slashes inside": (b"/api/v1//orders", 404),
    "a query of ff": (b"/api/v1/orders?limit=%ff", 422),
    "a query of ff, raw": (b"/api/v1/orders?limit=\xff", 400),
    "another server": (b"http://evil.example/api/v1/orders/none", 404),
    "no slash": (b"api/v1/orders", 400),
    "a star": (b"*", 404),
}


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize(("path", "status"), PATHS.values(), ids=PATHS)
def test_a_strange_address_is_refused(server, path, status):
    answer = server.send(request("GET", path))

    assert answer.status == status, answer
    assert "location" not in answer.headers


REQUESTS = {
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/9.9": b"GET /healthz HTTP/9.9\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00" * 20,
    "NUL": b"\x00" * 100 + b"\r\n\r\n",
    "nothing": b"\r\n\r\n\r\n",
    "a folded header": request("GET", b"/healthz", b"X-A: b\r\n c\r\n"),
    "a header without a name": request("GET", b"/healthz", b": b\r\n"),
    "a header without a colon": request("GET", b"/healthz", b"nonsense\r\n"),
    "a blank before the colon": request("GET", b"/healthz", b"X-A : b\r\n"),
    "NUL in a header": request("GET", b"/healthz", b"X-A: a\x00b\r\n"),
    "a bare CR in a header": request("GET", b"/healthz", b"X-A: a\rb\r\n"),
    "a method of brackets": request("<GET>", b"/healthz"),
    "200 headers": request("GET", b"/healthz", b"".join(b"X-%d: a\r\n" % n for n in range(200))),
    "a header of 1 MB": request("GET", b"/healthz", b"X-A: " + b"a" * 1_000_000 + b"\r\n"),
}


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize("sent", REQUESTS.values(), ids=REQUESTS)
def test_what_is_no_request_is_refused_by_the_server(server, sent):
    answer = server.send(sent, hang_up=True)

    assert answer.status in (0, 400, 431, 505), answer


def test_a_header_of_8_kib_and_ninety_of_them_are_borne(server):
    assert (
        server.ask("GET", "/api/v1/merchant", OWN + b"X-A: " + b"a" * 8192 + b"\r\n").status == 200
    )
    many = b"".join(b"X-%d: a\r\n" % number for number in range(90))
    assert server.ask("GET", "/api/v1/merchant", OWN + many).status == 200


def test_two_idempotency_keys_are_a_third_one(server):
    first, before = b"Idempotency-Key: one-of-two\r\n", orders()
    both = first + b"Idempotency-Key: other\r\n"

    answers = [server.send(post(both)) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert server.send(post(first)).body != answers[0].body
    assert orders() == before + 2


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize("name", [b"X-Api-Key", b"X-Api-Secret"])
def test_of_two_keys_or_secrets_neither_is_chosen(server, name):
    for order in (OWN + name + b": forged\r\n", name + b": forged\r\n" + OWN):
        answer = server.send(request("POST", ORDERS, order + JSON, ORDER))
        check(answer, 401, "unauthenticated")


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize("value", [b"\xe9", b"a\tb", b"", b"\xc3\xa9", b"\x80"])
def test_an_idempotency_key_of_other_bytes_is_422(server, value):
    check(server.send(post(b"Idempotency-Key: " + value + b"\r\n")), 422, "invalid_request")


def test_fifty_at_once_with_one_key_are_done_once(server):
    """However they fall: one is done; the others hear that it runs, or what it answered."""
    sent, before = post(b"Idempotency-Key: fifty\r\n"), orders()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: server.send(sent), range(50)))

    done = [answer for answer in answers if answer.status == 201]
    assert {answer.status for answer in answers} <= {201, 409}
    assert [answer.headers.get("idempotent-replayed") for answer in done].count(None) == 1
    assert len({answer.body for answer in done}) == 1
    for answer in answers:
        if answer.status == 409:
            check(answer, 409, "idempotency_key_in_use")
            assert answer.headers["retry-after"] == "1"
    assert orders() == before + 1
