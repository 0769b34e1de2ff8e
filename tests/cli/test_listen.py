"""`gateway listen` as a developer has it: a process in a terminal, and a program that it tells."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests_support import forget

from gateway.cli import listen, main_group
from gateway.cli.listen import TRIES
from gateway.kernel.db import transaction
from gateway.kernel.heartbeats import Pulse, beat
from workers.relay import Relay

GATEWAY = Path(sys.executable).with_name("gateway")
ORDER = {"currency": "EUR", "amount": 500}
HERE = ("--forward-to", "http://127.0.0.1:9/")


class Terminal:
    """The command at work, and what it has printed."""

    def __init__(self, *words):
        command = [str(GATEWAY), "listen", *words]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        )
        self.errors = ""

    def read(self, most=1):
        """So many more lines, as they come."""
        return [self.process.stdout.readline().rstrip("\n") for _ in range(most)]

    def facts(self, most=1):
        return [json.loads(line) for line in self.read(most)]

    def interrupt(self):
        """Ctrl-C; the lines that were still to come."""
        self.process.send_signal(signal.SIGINT)
        rest, self.errors = self.process.communicate(timeout=10)
        return rest.splitlines()


@contextmanager
def listening(*words):
    terminal = Terminal(*words)
    try:
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.communicate()


@pytest.fixture
def order(client, shop):
    """Make one order, and have the relay number it."""

    def make(shop=shop):
        made = client.post("/api/v1/orders", json=ORDER, headers=shop.headers).json
        Relay(lambda hints: None).number()
        return made

    return make


def test_what_happens_from_now_on_is_told_in_order_and_what_is_refused_thrice_left_behind(
    order, receiver, sql
):
    with transaction(actor="test:heartbeat") as tx:
        beat(tx, Pulse("relay:here", "relay"))
    order()  # before: nobody is told of it
    receiver.answers += [(500, {}, b"no")] * TRIES + [(302, {"Location": receiver.url}, b"")]
    with listening("--forward-to", receiver.url, "--json") as terminal:
        (first,) = terminal.facts()
        made = [order() for _ in range(3)]
        told = terminal.facts(TRIES + 3)
        last = json.loads(terminal.interrupt()[-1])

    receiver.secret = first["secret"]
    bodies = receiver.verified()
    assert (first["since"], first["livemode"]) == (1, False)
    assert [body["sequence"] for body in bodies] == [2] * TRIES + [3, 3, 4]
    assert [bodies[n]["data"] for n in (0, -2, -1)] == made
    assert [each["id"] for each in told] == [h["webhook-id"] for h, _ in receiver.calls]
    assert [each["status"] for each in told] == [500] * TRIES + [302, 200, 200]
    assert [each["attempt"] for each in told] == [*range(1, TRIES + 1), 1, 2, 1]
    assert [each["error"] for each in told] == ["Not a 2xx."] * (TRIES + 1) + [None] * 2
    assert last == {"accepted": 2, "given_up": 1, "since": 4}
    assert (terminal.process.returncode, terminal.errors) == (0, "")
    for table in ("callback_endpoints", "callback_deliveries"):
        assert sql(f"SELECT count(*) FROM {table}") == 0


def test_words_for_people_also_where_nobody_listens_any_more(order, receiver, shop):
    order()
    with listening("--forward-to", receiver.url, "--since", "0") as terminal:
        head = terminal.read(3)
        (line,) = terminal.read()
        receiver.close()
        order()
        again, *_, left = terminal.read(TRIES)
        end = terminal.interrupt()

    receiver.secret = head[1].removeprefix("signed with ")
    assert receiver.types() == ["order.created"]
    assert shop.merchant_id in head[0]
    assert receiver.url in head[0]
    assert line.split()[:2] == ["1", "order.created"]
    assert "  200  " in line
    assert again.endswith("Nothing answers there. Again in 1 s.")
    assert left.endswith("Nothing answers there. Given up; the next one.")
    assert end == ["", "1 accepted, 1 given up. To go on from here: --since 2"]
    assert "No relay was heard of lately" in terminal.errors
    assert "Traceback" not in terminal.errors


def test_what_is_asked_for_is_sent_as_its_callback_was(order, receiver, client, shop, drain):
    receiver.register(client, shop, events=["order.cancelled"])
    made = [order()["id"] for _ in range(2)]
    client.post(f"/api/v1/orders/{made[0]}/cancel", headers=shop.headers)
    drain()
    words = ("--events", "order.cancelled,order.created", "--since", "2")
    words += ("--secret", receiver.secret)
    with listening("--forward-to", receiver.url, "--json", *words) as terminal:
        terminal.read(3)
        terminal.interrupt()

    told = [(body["type"], body["sequence"]) for body in receiver.verified()]
    assert told == [("order.cancelled", 4), ("order.created", 3), ("order.cancelled", 4)]
    (callback, body), _, (forwarded, same) = receiver.calls
    assert (body, callback["webhook-id"]) == (same, forwarded["webhook-id"])
    assert callback["Content-Type"] == forwarded["Content-Type"]


def test_the_other_mode_and_other_merchants_are_left_out(order, receiver, new_shop, shop):
    live = new_shop("Live", livemode=True)
    order()
    mine = order(live)
    words = ("--merchant", "Live", "--livemode", "--since", "0", "--json")
    with listening("--forward-to", receiver.url, *words) as terminal:
        (first,) = terminal.facts()
        terminal.read()
        terminal.interrupt()

    receiver.secret = first["secret"]
    assert [body["data"] for body in receiver.verified()] == [mine]


def test_ctrl_c_does_not_wait_for_a_program_that_stands_at_a_breakpoint(order, monkeypatch):
    monkeypatch.setenv("GATEWAY_CALLBACK_TIMEOUT", "20")
    silent = socket.create_server(("127.0.0.1", 0))
    with listening("--forward-to", f"http://127.0.0.1:{silent.getsockname()[1]}/") as terminal:
        terminal.read(3)
        order()
        connection, _ = silent.accept()
        began = time.monotonic()
        end = terminal.interrupt()
        connection.close()
    silent.close()

    assert time.monotonic() - began < 10  # it would have waited for twice as long
    assert end[-1] == "0 accepted, 0 given up. To go on from here: --since 0"


def refused(*words):
    result = CliRunner().invoke(main_group, ["listen", *words])
    assert result.exit_code != 0
    return result.output


@pytest.mark.parametrize(
    "url",
    [
        *("https://shop.example/", "http://10.0.0.1/", "http://127.0.0.1.evil.example/", "ftp://x"),
        *("http://localhost@evil.example/", "http://localhost:80@evil.example/", "//127.0.0.1/"),
        *("http://127.0.0.1\\@evil.example/", "http://127.0.0.1/ x", "127.0.0.1:9000", ""),
    ],
)
def test_it_leads_to_no_other_machine(database, url):
    assert "must lead to this machine" in refused("--forward-to", url)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--events", "order.paid"), "'order.paid' is no event type"),
        (("--since", "-1"), "not in the range"),
        (("--secret", "secret"), "must be whsec_ and Base64"),
        (("--secret", "whsec_"), "must be whsec_ and Base64"),
        (("--secret", "whsec_é"), "must be whsec_ and Base64"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(database, words, why):
    assert why in refused(*HERE, *words)


def test_whose_events_they_are_must_be_clear(new_shop):
    assert "gateway merchants create NAME" in refused(*HERE)
    new_shop("One")
    new_shop("Two")
    assert "Whose events?" in refused(*HERE)


class Begun(Exception):
    """It got as far as listening."""


@pytest.fixture
def begins(monkeypatch):
    """Which merchant the command would listen for."""

    def stop(self, name):
        raise Begun(name)

    monkeypatch.setattr(listen.Listening, "begin", stop)

    def run(*words):
        result = CliRunner().invoke(main_group, ["listen", *HERE, *words])
        assert isinstance(result.exception, Begun), result.output
        return str(result.exception)

    return run


def test_the_only_merchant_or_the_demos_need_not_be_named(new_shop, begins):
    new_shop("One")
    assert begins() == "One"
    new_shop("Demo Store")
    assert begins() == "Demo Store"
    assert begins("--merchant", "One") == "One"


def test_not_in_production(database, monkeypatch):
    monkeypatch.setenv("GATEWAY_ENV", "production")
    monkeypatch.setenv("GATEWAY_BASE_URL", "https://pay.example")
    monkeypatch.setenv("STRIPE_API_BASE", "https://api.stripe.com")
    monkeypatch.delenv("WEBHOOK_RETRY_INTERVALS_TEST")
    forget()

    assert "registered endpoints only" in refused(*HERE)
