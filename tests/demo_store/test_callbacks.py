"""The store's side of callbacks: its endpoint, what it believes, when it packs."""

import json
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from standardwebhooks import Webhook

from .conftest import visitor
from .fake import FakeGateway, Store, signed


def test_the_endpoint_is_made_once_and_kept_over_a_restart(
    gateway: FakeGateway, start: Callable[..., Store], tmp_path: Path
) -> None:
    first, second = start(), start()

    assert list(gateway.endpoints) == ["we_1"]
    endpoint = gateway.endpoints["we_1"]
    assert endpoint["url"] == "http://127.0.0.1:8001/callbacks"
    assert (endpoint["events"], endpoint["description"]) == (["*"], "Demo store")
    assert first.opening.secret == second.opening.secret
    memory = tmp_path / "var" / "store.json"
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    assert [file.name for file in memory.parent.iterdir()] == ["store.json"]
    assert set(json.loads(memory.read_text())) == {"endpoint_id", "url", "secret"}


@pytest.mark.parametrize("lost", ["file", "endpoint", "sense", "disabled"])
def test_what_file_and_gateway_disagree_about_is_made_anew(
    gateway: FakeGateway, start: Callable[..., Store], tmp_path: Path, lost: str
) -> None:
    start()
    memory = tmp_path / "var" / "store.json"
    if lost == "file":
        memory.unlink()
    elif lost == "endpoint":
        gateway.endpoints.clear()
    elif lost == "sense":
        memory.write_text('{"secret": 3}')
    else:
        gateway.endpoints["we_1"]["status"] = "disabled"

    store = start()

    assert list(gateway.endpoints) == ["we_2"]
    assert store.opening.secret == json.loads(memory.read_text())["secret"]


def test_another_port_replaces_the_endpoint_and_leaves_those_of_others(
    gateway: FakeGateway, start: Callable[..., Store]
) -> None:
    gateway.endpoints["we_x"] = {"id": "we_x", "url": "https://x.example", "description": None}
    gateway.endpoints["we_x"] |= {"status": "enabled", "events": ["*"]}
    start(8001)
    start(8002)

    urls = [endpoint["url"] for endpoint in gateway.endpoints.values()]
    assert urls == ["https://x.example", "http://127.0.0.1:8002/callbacks"]


def test_the_shop_waits_for_the_gateway(gateway: FakeGateway, start: Callable[..., Store]) -> None:
    store = start(register=False)
    browser = visitor(store)
    waiting = browser.get("/healthz")
    assert (waiting.status_code, waiting.text.count("\n")) == (503, 1)
    assert browser.post("/callbacks", data="{}").status_code == 503

    gateway.refusals = [(401, "unauthenticated")]
    store.opening.run(threading.Event())

    assert "Because." in store.opening.waiting_for
    assert browser.get("/healthz").status_code == 200


def test_a_signed_callback_counts_once(store: Store, browser: FlaskClient) -> None:
    call = signed(store, "evt_1", "payment.succeeded", {"id": "pay_1", "order_id": "ord_1"})

    assert [browser.post("/callbacks", **call).status_code for _ in range(3)] == [204] * 3

    (kept,) = browser.get("/callbacks.json").json["data"]
    assert (kept["id"], kept["verified"], kept["duplicates"]) == ("evt_1", True, 2)
    assert kept["body"] == json.loads(call["data"])
    assert set(kept) == {"id", "verified", "received_at", "duplicates", "body"}
    panel = browser.get("/").text
    assert "payment.succeeded" in panel
    assert "came 3 times, counted once" in panel


def test_callbacks_are_listed_newest_first_and_filtered(store: Store, browser: FlaskClient) -> None:
    for number in range(3):
        data = {"id": f"pay_{number}", "order_id": "ord_1"}
        browser.post("/callbacks", **signed(store, f"evt_{number}", "payment.created", data))
    refund = {"id": "ref_1", "payment_id": "pay_2"}
    browser.post("/callbacks", **signed(store, "evt_r", "refund.created", refund))

    def ids(query: str) -> list[str]:
        return [kept["id"] for kept in browser.get(f"/callbacks.json?{query}").json["data"]]

    assert ids("") == ["evt_r", "evt_2", "evt_1", "evt_0"]
    assert ids("payment_id=pay_2") == ["evt_r", "evt_2"]
    assert ids("payment_id=pay_2&type=payment.created") == ["evt_2"]


@pytest.mark.parametrize("fault", ["secret", "body", "old", "missing", "garbage", "bytes", "shape"])
def test_a_callback_that_is_not_ours_is_refused_and_never_acted_upon(
    store: Store, browser: FlaskClient, fault: str
) -> None:
    call = signed(store, "evt_1", "order.payment_done", {"id": "ord_1"})
    secret, at, headers = str(store.opening.secret), datetime.now(UTC), call["headers"]
    if fault == "secret":
        other = Webhook("whsec_b3RoZXI=")
        headers["webhook-signature"] = other.sign("evt_1", at, call["data"])
    elif fault == "body":
        call["data"] += " "
    elif fault == "old":
        at -= timedelta(hours=1)
        headers["webhook-timestamp"] = str(int(at.timestamp()))
        headers["webhook-signature"] = Webhook(secret).sign("evt_1", at, call["data"])
    elif fault == "missing":
        del headers["webhook-signature"]
    elif fault == "garbage":
        headers["webhook-signature"] = "v1"
    elif fault == "bytes":
        call["data"] = b"\xff\xfe"
    else:
        call["data"] = "[1]"
        headers["webhook-signature"] = Webhook(secret).sign("evt_1", at, "[1]")

    assert browser.post("/callbacks", **call).status_code == 400

    (kept,) = browser.get("/callbacks.json").json["data"]
    assert not kept["verified"]
    assert kept["body"] == {"type": "unverified", "data": {}}  # nothing of it is passed on
    assert store.inbox.packed("ord_1") is None
    assert "not verified" in browser.get("/").text


def test_an_order_is_fulfilled_on_payment_done_only_and_once(
    store: Store, browser: FlaskClient
) -> None:
    def hear(id: str, type: str, data: dict[str, Any]) -> None:
        assert browser.post("/callbacks", **signed(store, id, type, data)).status_code == 204

    hear("evt_1", "payment.succeeded", {"id": "pay_1", "order_id": "ord_1"})
    hear("evt_2", "order.packaging", {"id": "ord_1"})
    assert store.inbox.packed("ord_1") is None

    for id in ("evt_3", "evt_3", "evt_4"):
        hear(id, "order.payment_done", {"id": "ord_1"})

    packed = store.inbox.packed("ord_1")
    assert packed
    assert packed.id == "evt_3"
    panel = browser.get("/panel").text
    assert panel.count("the parcel was packed on this") == 1
    assert panel.count("came 2 times, counted once") == 1
    assert panel.count("the parcel was packed before") == 1


def test_the_inbox_keeps_the_newest(store: Store) -> None:
    for number in range(1005):
        event = {"type": "payment.created", "data": {"id": "pay_1"}}
        store.inbox.keep(f"evt_{number}", event, packs=False)
    assert len(store.inbox.listed()) == 1000
    assert store.inbox.listed()[-1].id == "evt_5"
