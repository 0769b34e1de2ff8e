"""Lists by cursor: newest first, each row once, whatever happens between two pages."""

import time

import pytest
from sqlalchemy import select

from gateway.kernel.db import transaction
from gateway.kernel.errors import Invalid
from gateway.kernel.pages import page
from gateway.orders.models import Order, OrderStatus

from .support import ACTOR, made, order


def mine(shop):
    return select(Order).filter_by(merchant_id=shop.merchant_id, livemode=False)


def read(shop, *, limit=2, after=None, rows=None):
    with transaction(actor=ACTOR) as tx:
        rows = mine(shop) if rows is None else rows
        found = page(tx, rows, Order, limit=limit, starting_after=after)
        return [row.id for row in found.data], found.has_more


@pytest.fixture
def newest_first(shop):
    """Five orders, newest first."""
    ids = []
    for _ in range(5):
        ids.append(made(order, shop).id)
        time.sleep(0.002)  # ids are ordered by the millisecond
    return ids[::-1]


def test_pages_follow_each_other_newest_first(shop, newest_first):
    assert read(shop) == (newest_first[:2], True)
    assert read(shop, after=newest_first[1]) == (newest_first[2:4], True)
    assert read(shop, after=newest_first[3]) == (newest_first[4:], False)
    assert read(shop, after=newest_first[4]) == ([], False)


def test_a_page_that_is_just_full_has_no_more(shop, newest_first):
    assert read(shop, limit=5) == (newest_first, False)
    assert read(shop, limit=4) == (newest_first[:4], True)


def test_nothing_is_an_empty_page(shop):
    assert read(shop) == ([], False)


def test_new_rows_do_not_shift_the_pages_behind(shop, newest_first):
    first, _ = read(shop)
    made(order, shop), made(order, shop)

    assert read(shop, after=first[-1]) == (newest_first[2:4], True)


def test_a_cursor_of_another_merchant_is_refused(new_shop, newest_first, shop):
    other = new_shop("Other")
    theirs = made(order, other).id

    with pytest.raises(Invalid, match="starting_after"):
        read(shop, after=theirs)
    with pytest.raises(Invalid, match="starting_after"):
        read(other, after=newest_first[0])


def test_a_cursor_that_was_never_given_is_refused(shop, newest_first):
    for forged in (newest_first[0][:-1], newest_first[0].upper(), "ord_" + "0" * 26, "' OR 1=1--"):
        with pytest.raises(Invalid, match="starting_after"):
            read(shop, after=forged)


def test_a_cursor_holds_although_its_row_has_left_the_filter(client, shop, newest_first):
    """Rows move on between two pages; the reader of `?status=` must not be thrown out for it."""
    path = "/api/v1/orders?status=created&limit=2"
    first = client.get(path, headers=shop.headers).json["data"]
    with transaction(actor=ACTOR) as tx:
        tx.get_one(Order, first[-1]["id"]).transition_to(OrderStatus.CANCELLED)

    answer = client.get(f"{path}&starting_after={first[-1]['id']}", headers=shop.headers)

    assert answer.status_code == 200, answer.json["detail"]
    assert [row["id"] for row in answer.json["data"]] == newest_first[2:4]
