"""What a receiver must do with what it believes: once, in order, all of it or nothing."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count

import pytest
import requests

from gateway.callbacks.signing import MOST_BYTES, body_of, headers_of
from gateway.dev.machine import free_port
from gateway.kernel.events import Event

from .kits import EXAMPLES, running
from .vectors import LARGE, NOW, SECRET

_number = count(1)


@pytest.fixture
def subject():
    """An order that no other test has spoken of."""
    return f"ord_{next(_number)}"


def event(subject, sequence, status="created", **more):
    """What is told of an order at this number."""
    return Event(
        id=f"evt_{subject}_{sequence}",
        type=f"order.{status}",
        subject_id=subject,
        created_at=NOW,
        sequence=sequence,
        data={"id": subject, "status": status} | more,
    )


def tell(kit, told, *, secret=SECRET, late=0):
    """Sent as a callback is; the status."""
    body = body_of(told)
    at = NOW - timedelta(seconds=late)
    return kit.post(headers_of(event_id=told.id, body=body, secrets=[secret], at=at), body)


def known(kit, subject):
    """(sequence, status) of the newest that the shop knows."""
    query = "SELECT sequence, json_extract(data, '$.status') FROM resources WHERE id = ?"
    return kit.rows(query, subject)


def test_what_comes_twice_is_kept_and_done_once(kit, subject):
    told = event(subject, 7, "payment_done")
    first = tell(kit, told)
    assert kit.ships(subject)
    kit.rows("DELETE FROM to_ship WHERE order_id = ?", subject)  # it was sent off

    assert (first, tell(kit, told, late=30)) == (204, 204)
    assert kit.kept(told.id) == 1
    assert not kit.ships(subject), "the goods would be given away twice"


def test_many_at_once_are_kept_once_each(kit, subject):
    told = [event(subject, number) for number in range(1, 6)] * 4
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda each: tell(kit, each), told))

    assert statuses == [204] * 20
    assert [kit.kept(each.id) for each in told[:5]] == [1] * 5
    assert known(kit, subject) == [(5, "created")]


def test_older_news_does_not_undo_newer(kit, subject):
    for number, status in ((2, "payment_in_progress"), (4, "payment_failed"), (3, "updated")):
        assert tell(kit, event(subject, number, status)) == 204

    assert known(kit, subject) == [(4, "payment_failed")]
    assert kit.kept(f"evt_{subject}_3") == 1


@pytest.mark.parametrize(
    ("order_of_arrival", "ships"),
    [
        (((7, "payment_done"), (8, "packaging")), True),
        (((8, "packaging"), (7, "payment_done")), True),
        (((8, "packaging"),), False),
        (((7, "payment_done"), (9, "cancelled")), False),
        (((9, "cancelled"), (7, "payment_done")), False),
        (((9, "cancelled"), (7, "payment_done"), (8, "packaging")), False),
    ],
)
def test_what_is_paid_ships_however_the_news_come(kit, subject, order_of_arrival, ships):
    for number, status in order_of_arrival:
        assert tell(kit, event(subject, number, status)) == 204

    assert kit.ships(subject) is ships


def test_what_cannot_be_done_is_not_accepted_and_may_come_again(kit, subject):
    assert tell(kit, event(f"{subject}_before", 6, "created")) == 204  # makes the tables
    told = event(subject, 7, "payment_done")
    kit.rows(
        "CREATE TRIGGER full BEFORE INSERT ON to_ship"
        f" WHEN NEW.order_id = '{subject}' BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    refused = tell(kit, told)
    left = kit.kept(told.id), known(kit, subject)
    kit.rows("DROP TRIGGER full")

    assert (refused, left) == (500, (0, []))
    assert tell(kit, told) == 204
    assert (kit.kept(told.id), kit.ships(subject)) == (1, True)


def test_a_secret_of_another_and_an_old_time_leave_nothing(kit, subject):
    told = event(subject, 7, "payment_done")
    assert tell(kit, LARGE) == 204  # it is there, and has its tables

    assert tell(kit, told, secret="whsec_b3RoZXI=") == 400
    assert tell(kit, told, late=600) == 400
    assert kit.post({}, body_of(told)) == 400
    assert (kit.kept(told.id), kit.ships(subject)) == (0, False)


def test_a_thin_one_is_fetched_and_kept_whole(kit):
    assert tell(kit, LARGE) == 204

    ((length,),) = kit.rows("SELECT length(data) FROM resources WHERE id = ?", LARGE.subject_id)
    assert length > MOST_BYTES


def test_a_thin_one_that_cannot_be_fetched_is_not_accepted(kit, subject):
    told = event(subject, 7, "payment_done", note="x" * MOST_BYTES)

    assert tell(kit, told) == 500
    assert kit.kept(told.id) == 0


def test_what_no_callback_can_be_is_not_read_to_its_end(kit):
    assert kit.post({}, b"x" * 100_000) == 413
    assert kit.post({}, b"\xff\xfe") == 400
    assert requests.get(kit.url, timeout=10).status_code in (404, 405)


def test_what_the_gateway_sends_is_what_the_shop_has(
    kind, command_of, web, drain, client, advance, tmp_path
):
    """Registered, sent and pulled for real: each callback once, the large one as well."""
    own, port = ("key_test_abc123", "secret_test_xyz789"), free_port()

    def api(method, path, **body):
        return requests.request(method, f"{web}/api/v1{path}", json=body, auth=own, timeout=10)

    def query(path):
        return requests.get(f"{web}/api/v1{path}", auth=own, timeout=10).json()["data"]

    url = f"http://127.0.0.1:{port}/hooks"
    secret = api("POST", "/webhook-endpoints", url=url).json()["secret"]
    with running(command_of(kind), tmp_path, secret=secret, gateway=web, port=port) as kit:
        small = api("POST", "/orders", currency="EUR", amount=500).json()
        large = {f"k{n}": "x" * 500 for n in range(41)}
        order = api("POST", "/orders", currency="EUR", amount=500, metadata=large).json()
        api("POST", f"/orders/{small['id']}/cancel")
        drain()
        for delivery in query("/webhook-deliveries"):
            assert delivery["status"] == "delivered"
            api("POST", f"/webhook-deliveries/{delivery['id']}/retry")
        drain()

        told = [(each["id"], each["sequence"], each["type"]) for each in query("/events")]
        assert [type for *_, type in told] == [
            *("endpoint.created", "order.created", "order.created", "order.cancelled")
        ]
        assert kit.rows("SELECT id, sequence, type FROM events ORDER BY sequence") == told
        assert known(kit, small["id"]) == [(4, "cancelled")]
        ((key,),) = kit.rows(
            "SELECT json_extract(data, '$.metadata.k40') FROM resources WHERE id = ?", order["id"]
        )
        assert key == "x" * 500
    assert {each["attempts"] for each in query("/webhook-deliveries")} == {2}


def test_the_page_names_every_file_and_every_variable():
    page = (EXAMPLES / "README.md").read_text()
    sources = [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("receiver-node/*.js")]
    code = "\n".join(path.read_text() for path in sources)
    read = set(re.findall(r"env(?:iron)?(?:\.get\(|\[|\.)\"?([A-Z_]{4,})", code))

    assert read == {"WEBHOOK_SECRET", "PORT", "DATABASE", "GATEWAY_URL", "API_KEY", "API_SECRET"}
    assert all(f"`{name}`" in page for name in read)
    names = [path.name for path in (*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.json"))]
    assert all(f"`{name}`" in page for name in [*names, "receiver-node/"])
