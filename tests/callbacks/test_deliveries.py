"""From an event to a merchant's server: who gets it, what is sent, what is kept, when again."""

import json
import socket
import threading
import time

from tests_support import forget, post

from gateway.callbacks import delivery
from gateway.settings import RETRY_INTERVALS

from .conftest import ORDER


def deliveries(client, shop, **query):
    answer = client.get("/api/v1/webhook-deliveries", query_string=query, headers=shop.headers)
    return answer.json["data"]


def detail(client, shop, id):
    return client.get(f"/api/v1/webhook-deliveries/{id}", headers=shop.headers).json


def test_a_callback_is_the_resource_signed_after_the_standard(client, shop, receiver, order, drain):
    receiver.register(client, shop, events=["order.created"])
    made = order(reference="R1")
    drain()

    (body,) = receiver.verified()
    headers, raw = receiver.calls[0]
    assert body["type"] == "order.created"
    assert body["data"] == made
    assert body["timestamp"] == made["created_at"]
    assert raw == json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    assert headers["Content-Type"] == "application/json"
    (delivered,) = deliveries(client, shop)
    assert headers["webhook-id"] == delivered["event_id"]
    assert (delivered["status"], delivered["attempts"]) == ("delivered", 1)


def test_a_star_hears_everything_in_sequence_without_gaps(client, shop, receiver, order, drain):
    receiver.register(client, shop)
    for _ in range(5):
        order()
    drain()

    assert sorted(receiver.types()) == ["endpoint.created", *["order.created"] * 5]
    assert sorted(body["sequence"] for body in receiver.verified()) == [1, 2, 3, 4, 5, 6]


def test_a_filter_and_the_mode_and_the_merchant_keep_events_apart(
    client, shop, new_shop, receiver, order, drain
):
    receiver.register(client, shop, events=["payment.succeeded"])
    order()
    other = new_shop("Other")
    client.post("/api/v1/orders", json=ORDER, headers=other.headers)
    drain()

    assert receiver.calls == []


def test_the_same_bytes_and_id_on_every_attempt(client, shop, receiver, order, drain, advance):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers += [(500, {}, b"no"), (503, {}, b"no")]
    order()
    for _ in range(3):
        drain()
        advance(10)

    assert len(receiver.calls) == 3
    assert len({raw for _, raw in receiver.calls}) == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.calls}) == 1
    assert len(receiver.verified()) == 3


def test_every_attempt_is_kept_with_what_the_server_said(client, shop, receiver, order, drain):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers.append((500, {"X-Trace": "abc"}, "é\x00ü ".encode() + b"x" * 5000))
    order()
    drain()

    (row,) = deliveries(client, shop)
    (attempt,) = detail(client, shop, row["id"])["attempt_log"]
    assert (attempt["number"], attempt["status_code"], attempt["error"]) == (1, 500, "HTTP 500.")
    assert ["X-Trace", "abc"] in attempt["response_headers"]
    assert len(attempt["response_body"].encode()) <= 1024
    assert attempt["response_body"].startswith("é ü x")
    assert attempt["duration_ms"] >= 0


def test_the_schedule_ends_and_somebody_may_try_once_more(
    client, shop, receiver, order, drain, advance
):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers += [(500, {}, b"")] * 6
    order()
    for _ in range(8):
        drain()
        advance(10)
    (row,) = deliveries(client, shop, status="exhausted")
    assert (row["attempts"], row["next_attempt_at"]) == (5, None)

    path = f"/api/v1/webhook-deliveries/{row['id']}/retry"
    assert client.post(path, headers=shop.headers).status_code == 202
    drain()
    assert deliveries(client, shop)[0]["status"] == "exhausted"
    client.post(path, headers=shop.headers)
    drain()

    again = detail(client, shop, row["id"])
    assert (again["status"], again["attempts"]) == ("delivered", 7)
    assert [each["status_code"] for each in again["attempt_log"]] == [500] * 6 + [200]


def test_a_delivered_callback_may_be_sent_again(client, shop, receiver, order, drain):
    receiver.register(client, shop, events=["order.created"])
    order()
    drain()
    (row,) = deliveries(client, shop)
    client.post(f"/api/v1/webhook-deliveries/{row['id']}/retry", headers=shop.headers)
    drain()

    assert len(receiver.calls) == 2
    assert deliveries(client, shop)[0]["status"] == "delivered"


def test_a_retry_asked_for_during_an_attempt_is_not_lost(
    client, shop, receiver, order, drain, monkeypatch
):
    receiver.register(client, shop, events=["order.created"])
    asked = []

    def ask(_):
        if not asked:
            (row,) = deliveries(client, shop)
            path = f"/api/v1/webhook-deliveries/{row['id']}/retry"
            asked.append(client.post(path, headers=shop.headers).status_code)

    receiver.on_call = ask
    order()
    drain()

    assert asked == [202]
    assert len(receiver.calls) == 2
    assert deliveries(client, shop)[0]["status"] == "delivered"


def test_a_callback_that_cannot_be_made_counts_as_a_try_and_shows(
    client, shop, receiver, order, drain, advance, sql, monkeypatch
):
    receiver.register(client, shop, events=["order.created"])
    sql("UPDATE callback_endpoints SET sealed_secret = 'AAAA' || sealed_secret")
    order()
    for _ in range(35):
        drain()
        advance(61)

    assert receiver.calls == []
    assert "No try" in sql("SELECT needs_attention FROM callback_deliveries")
    assert client.get("/readyz").json["checks"]["attention"]["ok"] is False


def test_the_schedule_waits_as_written(database, monkeypatch):
    monkeypatch.delenv("WEBHOOK_RETRY_INTERVALS_TEST")
    forget()
    for attempt, seconds in enumerate(RETRY_INTERVALS, start=1):
        waits = [delivery.wait_before(attempt) for _ in range(50)]
        assert min(waits) >= seconds
        assert max(waits) <= seconds * 1.2
    assert sum(RETRY_INTERVALS) > 3 * 86400 - 10_000
    assert delivery.wait_before(2, retry_after=120) == 120
    assert delivery.wait_before(2, retry_after=10**9) == 86400


def test_retry_after_is_obeyed(client, shop, receiver, order, drain, advance):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers.append((429, {"Retry-After": "600"}, b""))
    order()
    drain()
    advance(590)
    drain()
    assert len(receiver.calls) == 1
    advance(20)
    drain()

    assert len(receiver.calls) == 2


def test_a_redirect_is_a_failure_and_is_not_followed(client, shop, receiver, order, drain):
    receiver.register(client, shop, events=["order.created"])
    receiver.answers.append((302, {"Location": receiver.url}, b""))
    order()
    drain()

    (row,) = deliveries(client, shop)
    assert (
        "redirects are not followed" in detail(client, shop, row["id"])["attempt_log"][0]["error"]
    )
    assert len(receiver.calls) == 1


def test_a_server_that_is_not_there_is_told_in_words(client, shop, receiver, order, drain):
    receiver.register(client, shop, url="http://127.0.0.1:9/", events=["order.created"])
    order()
    drain()

    (row,) = deliveries(client, shop)
    attempt, *_ = detail(client, shop, row["id"])["attempt_log"]
    assert attempt["status_code"] is None
    assert attempt["error"] == "Nothing accepts connections there."


def test_a_deleted_endpoint_gets_nothing_more(client, shop, receiver, order, drain):
    endpoint = receiver.register(client, shop, events=["order.created"])
    receiver.answers.append((500, {}, b""))
    order()
    drain()
    client.delete(f"/api/v1/webhook-endpoints/{endpoint['id']}", headers=shop.headers)
    (row,) = deliveries(client, shop)
    answer = client.post(f"/api/v1/webhook-deliveries/{row['id']}/retry", headers=shop.headers)

    assert (answer.status_code, answer.json["code"]) == (409, "endpoint_deleted")
    assert len(receiver.calls) == 1


def test_filters_and_other_tenants(client, shop, new_shop, receiver, order, drain):
    receiver.register(client, shop, events=["order.created"])
    order()
    drain()
    (row,) = deliveries(client, shop)

    assert deliveries(client, shop, event_id=row["event_id"]) == [row]
    assert deliveries(client, shop, event_type="payment.created") == []
    assert deliveries(client, shop, endpoint_id="we_x") == []
    assert deliveries(client, new_shop("Other")) == []
    path = f"/api/v1/webhook-deliveries/{row['id']}"
    assert client.get(path, headers=new_shop("Third").headers).status_code == 404
    bad = client.get("/api/v1/webhook-deliveries?status=lost", headers=shop.headers)
    assert bad.status_code == 422


def test_a_server_that_closes_without_an_answer_is_asked_once(database):
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                seen.append(connection.recv(65536))
                if len(seen) == 1:
                    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    seen.append(connection.recv(65536))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    results = [post(url) for _ in range(2)]
    listener.close()

    assert [result.delivered for result in results] == [True, False]
    assert len([request for request in seen if request]) == 2


def test_an_endless_answer_is_read_no_further_than_needed(receiver, database):
    receiver.answers.append((200, {}, b"x" * 3_000_000))

    result = post(receiver.url)

    assert result.delivered
    assert len(result.body) == 1024


def test_a_server_that_drips_meets_the_deadline(database, monkeypatch):
    monkeypatch.setenv("GATEWAY_CALLBACK_TIMEOUT", "1")
    forget()
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip():
        connection, _ = listener.accept()
        with connection:
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
                if stop.wait(0.05):
                    return
                try:
                    connection.send(bytes([byte]))
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    began = time.monotonic()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    result = post(url)
    stop.set()
    thread.join()
    listener.close()

    assert not result.delivered
    assert result.error == "No complete answer in time."
    assert time.monotonic() - began < 20  # it would have dripped for 51 s
