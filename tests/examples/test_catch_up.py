"""`catch_up.py` beside a receiver: it fills the gaps, undoes nothing, and may run at any time."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import requests

from gateway.dev.machine import free_port

from .kits import EXAMPLES, command, running

OWN = ("key_test_abc123", "secret_test_xyz789")


@pytest.fixture
def api(web):
    def call(method, path, **body):
        answer = requests.request(method, f"{web}/api/v1{path}", json=body, auth=OWN, timeout=10)
        return answer.json()

    return call


@pytest.fixture
def catch_up(web, tmp_path):
    """Run it on the shop's database; what it says."""

    def run(**more):
        place = {"DATABASE": str(tmp_path / "shop.sqlite3"), "GATEWAY_URL": web}
        return subprocess.run(
            [sys.executable, str(EXAMPLES / "catch_up.py")],
            env=os.environ | place | more,
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


@pytest.fixture
def rows(tmp_path):
    def read(query):
        with closing(sqlite3.connect(tmp_path / "shop.sqlite3")) as db, db:
            return db.execute(query).fetchall()

    return read


def test_what_no_callback_brought_is_pulled_once(api, catch_up, rows, drain):
    for _ in range(105):
        api("POST", "/orders", currency="EUR", amount=500)
    drain()
    first, again = catch_up(), catch_up()
    api("POST", "/orders", currency="EUR", amount=500)
    drain()
    third = catch_up()

    assert [run.stdout for run in (first, again, third)] == [
        f"{new} new events\n" for new in (105, 0, 1)
    ]
    sequences = [sequence for (sequence,) in rows("SELECT sequence FROM events ORDER BY sequence")]
    assert sequences == list(range(1, 107))
    assert rows("SELECT after FROM pulled") == [(106,)]


def test_gaps_below_what_callbacks_brought_are_filled_and_nothing_is_undone(
    api, catch_up, rows, drain, web, tmp_path
):
    port = free_port()
    url, types = f"http://127.0.0.1:{port}/hooks", ["order.cancelled"]
    secret = api("POST", "/webhook-endpoints", url=url, events=types)["secret"]
    order = api("POST", "/orders", currency="EUR", amount=500)
    api("POST", f"/orders/{order['id']}/cancel")
    with running(command("flask", None, None), tmp_path, secret=secret, gateway=web, port=port):
        drain()
    brought = rows("SELECT sequence, type FROM events")

    assert catch_up().stdout == "2 new events\n"
    assert brought == [(3, "order.cancelled")]
    assert rows("SELECT sequence FROM events ORDER BY sequence") == [(1,), (2,), (3,)]
    query = "SELECT sequence, json_extract(data, '$.status') FROM resources WHERE id LIKE 'ord_%'"
    assert rows(query) == [(3, "cancelled")]


def test_a_run_that_died_before_it_noted_how_far_it_came_is_repeated(api, catch_up, rows, drain):
    api("POST", "/orders", currency="EUR", amount=500)
    drain()
    catch_up()
    rows("DELETE FROM pulled")

    assert catch_up().stdout == "0 new events\n"
    assert rows("SELECT count(*) FROM events") == [(1,)]


def test_a_refused_key_is_an_error_and_loses_nothing(api, catch_up, rows, drain):
    api("POST", "/orders", currency="EUR", amount=500)
    drain()
    refused = catch_up(API_SECRET="wrong")

    assert refused.returncode != 0
    assert "401" in refused.stderr
    assert catch_up().stdout == "1 new events\n"
