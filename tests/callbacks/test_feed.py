"""The feed: every event once, in order, gap-free; and a page costs no more than it shows."""

import json
import random
import threading
import time

import pytest
from sqlalchemy import create_engine, text
from tests_support import check_problem

from gateway.callbacks import feed
from gateway.callbacks.feed_schemas import MOST
from gateway.dev import embedded
from gateway.kernel.db import transaction
from gateway.kernel.events import write_recorded
from gateway.merchants import service as merchants
from gateway.merchants.models import Merchant
from gateway.orders.models import Order
from gateway.settings import psycopg2_url
from workers.relay import Relay

ORDER = {"currency": "EUR", "amount": 500}
PLAIN = {"reference": None, "currency": "EUR", "amount": 500, "items": [], "meta": {}}
MANY = text(
    "INSERT INTO events (id, type, subject_id, merchant_id, livemode, to_status, actor, data,"
    " created_at, position, sequence) SELECT 'evt_' || n, 'order.created', 'ord_1', :merchant,"
    " false, 'created', 'test:setup', '{}', now(), n, n FROM generate_series(1, 3000) n"
)
ROWS_READ = (
    "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
    " WHERE relname = 'events'"
)


@pytest.fixture
def number():
    """Have the relay number what there is."""
    return Relay(lambda hints: None).number


@pytest.fixture
def order(client, shop):
    def make(shop=shop, **fields):
        answer = client.post("/api/v1/orders", json=ORDER | fields, headers=shop.headers)
        assert answer.status_code == 201
        return answer.json

    return make


@pytest.fixture
def read(client, shop):
    def ask(shop=shop, **query):
        answer = client.get("/api/v1/events", query_string=query, headers=shop.headers)
        assert answer.status_code == 200, answer.json
        return answer.json

    return ask


def sequences(page):
    return [event["sequence"] for event in page["data"]]


def test_the_feed_tells_exactly_what_the_callback_tells(client, shop, receiver, order, drain, read):
    receiver.register(client, shop, events=["order.created"])
    made = order(metadata={"é": "🫖"})
    drain()

    ((headers, raw),) = receiver.calls
    event = read(types="order.created")["data"][0]
    assert event["id"] == headers["webhook-id"]
    assert {name: event[name] for name in json.loads(raw)} == json.loads(raw)
    assert set(event) == {"id", "type", "timestamp", "sequence", "data", "livemode"}
    assert (event["data"], event["livemode"]) == (made, False)
    one = client.get(f"/api/v1/events/{event['id']}", headers=shop.headers)
    assert (one.status_code, one.json) == (200, event)


def test_a_large_one_is_thin_as_a_callback_and_whole_in_the_feed(
    client, shop, receiver, order, drain
):
    receiver.register(client, shop, events=["order.created"])
    made = order(metadata={f"k{n}": "x" * 450 + "ü" for n in range(50)})
    drain()

    (told,) = receiver.verified()
    assert set(told["data"]) == {"id", "thin", "href"}
    event = client.get(told["data"]["href"], headers=shop.headers).json
    assert event["data"] == made
    assert told == {name: event[name] for name in ("type", "timestamp", "sequence")} | {
        "data": told["data"]
    }


def test_pages_come_oldest_first_and_go_on_without_a_gap(order, number, read):
    for _ in range(7):
        order()
    number()

    first = read(limit=3)
    second = read(limit=3, after=first["next_after"])
    third = read(limit=3, after=second["next_after"])
    assert [*map(sequences, (first, second, third))] == [[1, 2, 3], [4, 5, 6], [7]]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert third["next_after"] == 7
    assert read(after=7) == {"data": [], "has_more": False, "next_after": 7}
    assert read(after=MOST) == {"data": [], "has_more": False, "next_after": MOST}


def test_a_page_holds_twenty_unless_asked_otherwise(order, number, read):
    for _ in range(21):
        order()
    number()

    assert len(read()["data"]) == 20
    assert len(read(limit=100)["data"]) == 21


def test_an_empty_feed_has_no_more_and_begins_at_nothing(read):
    assert read() == {"data": [], "has_more": False, "next_after": 0}


def test_what_the_relay_has_not_numbered_is_not_told_yet(client, shop, order, number, read, sql):
    order()
    id = sql("SELECT id FROM events")
    path = f"/api/v1/events/{id}"

    assert read()["data"] == []
    check_problem(client.get(path, headers=shop.headers), 404, "not_found")
    number()
    assert [event["id"] for event in read()["data"]] == [id]
    assert client.get(path, headers=shop.headers).status_code == 200


def test_merchants_and_modes_have_feeds_of_their_own(client, new_shop, order, number, read):
    ours, theirs = new_shop("Ours"), new_shop("Theirs")
    live = new_shop("Live", livemode=True)
    for shop in (ours, theirs, ours, live):
        order(shop)
    number()

    assert sequences(read(ours)) == [1, 2]
    (foreign,) = read(theirs)["data"]
    (real,) = read(live)["data"]
    assert (foreign["sequence"], real["sequence"], real["livemode"]) == (1, 1, True)
    for event in (foreign, real):
        answer = client.get(f"/api/v1/events/{event['id']}", headers=ours.headers)
        check_problem(answer, 404, "not_found")


def test_the_other_mode_of_one_merchant_is_another_feed(client, shop, order, number, read, sql):
    with transaction(actor="test:setup") as tx:
        key = merchants.create_key(tx, tx.get_one(Merchant, shop.merchant_id), livemode=True)
    live = {"X-Api-Key": key.key, "X-Api-Secret": key.secret}
    order()
    number()
    (event,) = read()["data"]

    assert client.get("/api/v1/events", headers=live).json["data"] == []
    check_problem(client.get(f"/api/v1/events/{event['id']}", headers=live), 404, "not_found")


def test_types_choose_and_numbers_stay_those_of_the_whole(client, shop, order, number, read):
    made = [order()["id"] for _ in range(3)]
    client.post(f"/api/v1/orders/{made[1]}/cancel", headers=shop.headers)
    order()
    number()

    chosen = read(types="order.cancelled,refund.failed")
    assert [(event["type"], event["sequence"]) for event in chosen["data"]] == [
        ("order.cancelled", 4)
    ]
    assert (chosen["has_more"], chosen["next_after"]) == (False, 5)
    assert sequences(read(types="order.created,order.cancelled,order.created")) == [1, 2, 3, 4, 5]


def test_a_rare_type_is_looked_for_a_stretch_at_a_time(order, number, read, monkeypatch):
    monkeypatch.setattr(feed, "LOOKED_AT", 4)
    for _ in range(10):
        order()
    number()

    asked, pages = 0, []
    while not pages or pages[-1]["has_more"]:
        pages.append(read(after=asked, types="order.cancelled"))
        asked = pages[-1]["next_after"]
    assert [page["data"] for page in pages] == [[], [], []]
    assert [page["next_after"] for page in pages] == [4, 8, 10]
    assert sequences(read(after=8, types="order.created")) == [9, 10]


@pytest.fixture
def history(servers, database, shop):
    """Three thousand numbered events, and what the planner would know of them by now."""
    name = database.rpartition("/")[2].partition("?")[0]
    owner = create_engine(psycopg2_url(servers.postgres.url(embedded.OWNER, name)))
    with owner.begin() as connection:
        connection.execute(MANY, {"merchant": shop.merchant_id})
        connection.execute(text("ANALYZE events"))
    owner.dispose()


@pytest.mark.parametrize(
    ("asked", "most"),
    [({}, 6), ({"types": ["order.created"]}, 6), ({"types": ["refund.failed"]}, 100)],
)
def test_a_page_costs_the_same_however_long_the_history_is(shop, history, monkeypatch, asked, most):
    monkeypatch.setattr(feed, "LOOKED_AT", 100)
    with transaction(actor="test:reader") as tx:
        page = feed.page(tx, shop.caller, after=1000, limit=5, **asked)
        read = tx.scalar(text(ROWS_READ))

    assert page.has_more
    assert len(page.data) == (0 if most == 100 else 5)
    assert most <= read <= most + 3  # and the newest, to know whether there is more


REFUSED = [
    *(("after", value) for value in ("-1", "x", "", "1.5", "1e3", str(MOST + 1), "9" * 5000)),
    *(("after", value) for value in ("+1", " 1", "１", "0x1", "null")),  # noqa: RUF001
    *(("limit", value) for value in ("0", "101", "x")),
    *(("types", value) for value in ("", "order.paid", "*", ",", "order.created,", "a" * 5000)),
    *(("types", value) for value in ("order.created, order.cancelled", "ORDER.CREATED", "\x00")),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_cannot_be_asked_is_refused_by_name(client, shop, name, value):
    answer = client.get("/api/v1/events", query_string={name: value}, headers=shop.headers)

    body = check_problem(answer, 422, "invalid_request")
    assert [error["param"] for error in body["errors"]] == [name]


def test_an_unknown_type_is_named(client, shop):
    answer = client.get("/api/v1/events?types=order.created,order.paid", headers=shop.headers)

    assert "'order.paid' is no event type" in answer.json["detail"]


WRITERS, EACH = 6, 12


def test_a_follower_misses_nothing_that_many_writers_do(shop):
    """Who commits late is numbered late: nothing appears behind what was read."""
    done = threading.Event()

    def write(seed):
        dice = random.Random(seed)
        for _ in range(EACH):
            with transaction(actor="test:writer") as tx:
                Order.start(tx, **PLAIN, merchant_id=shop.merchant_id, livemode=False)
                write_recorded(tx)  # its place in the log is taken; the commit may come later
                time.sleep(dice.choice((0, 0, 0.01, 0.03)))

    def number():
        while not done.is_set():
            Relay(lambda hints: None).number()

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(WRITERS)]
    relays = [threading.Thread(target=number) for _ in range(2)]
    for thread in (*writers, *relays):
        thread.start()
    try:
        followed = follow(shop, WRITERS * EACH)
    finally:
        done.set()
        for thread in (*writers, *relays):
            thread.join(20)

    assert [event.sequence for event in followed] == list(range(1, WRITERS * EACH + 1))
    assert len({event.subject_id for event in followed}) == WRITERS * EACH
    by_birth = sorted(followed, key=lambda event: event.seq)
    assert followed != by_birth, "no commit overtook another: this has shown nothing"


def follow(shop, count):
    """As a client does, page by page, until it has heard of so many or half a minute is over."""
    seen, after, deadline = [], 0, time.monotonic() + 30
    while len(seen) < count and time.monotonic() < deadline:
        with transaction(actor="test:reader") as tx:
            page = feed.page(tx, shop.caller, after=after, limit=5)
        seen += page.data
        after = page.next_after
    return seen
