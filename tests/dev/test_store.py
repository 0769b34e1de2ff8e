"""The demo's shop against a small fake gateway: one endpoint, verified callbacks, bought once."""

import json
import re
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, jsonify, request
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from standardwebhooks import Webhook
from werkzeug.serving import WSGIRequestHandler, make_server

from gateway.dev.seed import KEY, SECRET
from gateway.dev.store.app import Links, Store, create_app
from gateway.dev.store.client import Gateway
from gateway.dev.store.endpoint import Registration
from gateway.dev.store.inbox import KEPT, Inbox
from gateway.dev.store.products import price

CHECKOUT = "http://127.0.0.1:4242/c/pay/cs_1"


@dataclass
class FakeGateway:
    """Speaks as much of the contract as the shop uses, and remembers what it was asked."""

    url: str = ""
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    refusals: list[tuple[int, str]] = field(default_factory=list)  # to answer with first

    def make(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "webhook-endpoints":
            number = self.calls.count("POST webhook-endpoints")
            made = body | {"id": f"we_{number}", "status": "enabled", "created_at": "2030-01-01"}
            self.endpoints[made["id"]] = made
            return made | {"secret": f"whsec_{'c2VjcmV0' * 4}{number:04}"}
        if path == "orders":
            amount = sum(item["unit_amount"] * item["quantity"] for item in body["items"])
            made = body | {"id": f"ord_{len(self.orders)}", "status": "created", "amount": amount}
            return self.orders.setdefault(made["id"], made)
        made = {"method": None, "status": "pending", "checkout_url": None, "failure": None}
        made |= body | {"id": f"pay_{len(self.payments)}", "certainty": "confirmed"}
        self.orders[made["order_id"]]["status"] = "payment_in_progress"
        return self.payments.setdefault(made["id"], made | {"attempt": len(self.payments) + 1})

    def order(self, name: str) -> dict[str, Any] | None:
        found = (o for o in self.orders.values() if name in (o["id"], o["reference"]))
        return next(found, None)


def problem(status: int, code: str) -> ResponseReturnValue:
    body = {"title": "No <b>way</b>.", "detail": "Because.", "code": code, "request_id": "req_7"}
    return json.dumps(body), status, {"Content-Type": "application/problem+json"}


def fake_app(fake: FakeGateway) -> Flask:
    app = Flask(__name__)

    @app.before_request
    def admit() -> ResponseReturnValue | None:
        fake.calls.append(f"{request.method} {request.path.removeprefix('/api/v1/')}")
        assert (request.headers["X-Api-Key"], request.headers["X-Api-Secret"]) == (KEY, SECRET)
        return problem(*fake.refusals.pop(0)) if fake.refusals else None

    @app.post("/api/v1/<path>")
    def create(path: str) -> ResponseReturnValue:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return fake.make(path, request.get_json()), 201
        fake.keys.append((path, key))
        if key not in fake.answers:
            fake.answers[key] = dict(fake.make(path, request.get_json()))
        return fake.answers[key], 201

    @app.get("/api/v1/<path>")
    def listed(path: str) -> ResponseReturnValue:
        rows = list(getattr(fake, path.removeprefix("webhook-")).values())
        wanted = request.args.get("order_id")
        return jsonify(data=[r for r in rows if wanted in (None, r.get("order_id"))][::-1])

    @app.get("/api/v1/orders/<name>")
    def one_order(name: str) -> ResponseReturnValue:
        return fake.order(name) or problem(404, "not_found")

    @app.delete("/api/v1/webhook-endpoints/<name>")
    def delete(name: str) -> ResponseReturnValue:
        return fake.endpoints.pop(name)

    return app


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    fake = FakeGateway()
    server = make_server("127.0.0.1", 0, fake_app(fake), threaded=True, request_handler=Quiet)
    fake.url = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def start(gateway: FakeGateway, tmp_path: Path) -> Callable[..., Store]:
    """A shop on a port, after it has seen to its endpoint."""

    def begin(port: int = 8001, *, register: bool = True) -> Store:
        url = f"http://127.0.0.1:{port}"
        client = Gateway(gateway.url, key=KEY, secret=SECRET)
        memory = tmp_path / "var" / "store.json"
        registration = Registration(client, url=f"{url}/callbacks", memory=memory)
        if register:
            registration.run(threading.Event())
        return Store(client, registration, Inbox(), url, Links(gateway.url))

    return begin


@pytest.fixture
def store(start: Callable[..., Store]) -> Store:
    return start()


@pytest.fixture
def browser(store: Store) -> FlaskClient:
    return create_app(store).test_client()


def signed(store: Store, id: str, type: str, data: dict[str, Any]) -> dict[str, Any]:
    """A callback as the gateway sends it, ready for the test client."""
    body, at = json.dumps({"type": type, "sequence": 1, "data": data}), datetime.now(UTC)
    assert store.registration.secret
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(store.registration.secret).sign(id, at, body),
    }
    return {"data": body, "headers": headers, "content_type": "application/json"}


def token_of(page: str, product: str) -> str:
    found = re.search(rf'value="{product}">\s*<input[^>]*name="token" value="(\w+)"', page)
    assert found
    return found[1]


def buy(browser: FlaskClient, product: str = "teapot") -> str:
    """The path of the order's page."""
    token = token_of(browser.get("/").text, product)
    answer = browser.post("/buy", data={"product": product, "token": token})
    assert answer.status_code == 303
    return str(answer.location)


def test_the_endpoint_is_made_once_and_kept_over_a_restart(
    gateway: FakeGateway, start: Callable[..., Store], tmp_path: Path
) -> None:
    first, second = start(), start()

    assert list(gateway.endpoints) == ["we_1"]
    endpoint = gateway.endpoints["we_1"]
    assert endpoint["url"] == "http://127.0.0.1:8001/callbacks"
    assert (endpoint["events"], endpoint["description"]) == (["*"], "Demo store")
    assert first.registration.secret == second.registration.secret
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
    assert store.registration.secret == json.loads(memory.read_text())["secret"]


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
    browser = create_app(store).test_client()
    waiting = browser.get("/healthz")
    assert (waiting.status_code, waiting.text.count("\n")) == (503, 1)
    assert browser.post("/callbacks", data="{}").status_code == 503

    gateway.refusals = [(401, "unauthenticated")]
    store.registration.run(threading.Event())

    assert "Because." in store.registration.waiting_for
    assert browser.get("/healthz").status_code == 200


def test_a_signed_callback_counts_once(store: Store, browser: FlaskClient) -> None:
    call = signed(store, "evt_1", "payment.succeeded", {"id": "pay_1", "order_id": "ord_1"})

    assert [browser.post("/callbacks", **call).status_code for _ in range(3)] == [204] * 3

    (kept,) = browser.get("/callbacks.json").json["data"]
    assert (kept["id"], kept["verified"], kept["duplicates"]) == ("evt_1", True, 2)
    assert kept["body"] == json.loads(call["data"])
    page = browser.get("/").text
    assert "payment.succeeded" in page
    assert "verified" in page


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
    secret, at, headers = str(store.registration.secret), datetime.now(UTC), call["headers"]
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
    assert store.inbox.fulfilment("ord_1") is None
    assert "not verified" in browser.get("/").text


def test_an_order_is_fulfilled_on_payment_done_only_and_once(
    store: Store, browser: FlaskClient
) -> None:
    def hear(id: str, type: str, data: dict[str, Any]) -> None:
        assert browser.post("/callbacks", **signed(store, id, type, data)).status_code == 204

    hear("evt_1", "payment.succeeded", {"id": "pay_1", "order_id": "ord_1"})
    hear("evt_2", "order.packaging", {"id": "ord_1"})
    assert store.inbox.fulfilment("ord_1") is None

    for id in ("evt_3", "evt_3", "evt_4"):
        hear(id, "order.payment_done", {"id": "ord_1"})

    fulfilment = store.inbox.fulfilment("ord_1")
    assert fulfilment
    assert fulfilment.id == "evt_3"
    assert [kept.id for kept in store.inbox.listed() if kept.fulfilled] == ["evt_3"]


def test_the_inbox_keeps_the_newest(store: Store) -> None:
    for number in range(KEPT + 5):
        call = signed(store, f"evt_{number}", "payment.created", {"id": "pay_1"})
        store.inbox.receive(
            call["data"].encode(), call["headers"], secret=str(store.registration.secret)
        )
    assert len(store.inbox) == KEPT
    assert store.inbox.listed()[-1].id == "evt_5"


def test_the_same_form_twice_buys_once(gateway: FakeGateway, browser: FlaskClient) -> None:
    form = {"product": "chai", "token": token_of(browser.get("/").text, "chai")}
    first, second = browser.post("/buy", data=form), browser.post("/buy", data=form)

    assert first.location == second.location
    assert gateway.keys[:2] == gateway.keys[2:]
    assert [path for path, _ in gateway.keys[:2]] == ["orders", "payments"]
    (order,), (payment,) = gateway.orders.values(), gateway.payments.values()
    assert (order["amount"], order["currency"]) == (49900, "INR")
    assert payment["method"] == "upi"
    assert payment["return_url"] == f"http://127.0.0.1:8001/orders/{order['reference']}"
    assert token_of(browser.get("/").text, "chai") != form["token"]


def test_the_second_of_two_clicks_waits_for_the_first(
    gateway: FakeGateway, browser: FlaskClient
) -> None:
    token = token_of(browser.get("/").text, "cups")
    gateway.refusals = [(409, "idempotency_key_in_use")]

    answer = browser.post("/buy", data={"product": "cups", "token": token})

    assert answer.status_code == 303
    assert len(gateway.orders) == 1


def test_the_payment_page_is_opened_once_and_only_when_it_is_ready(
    gateway: FakeGateway, browser: FlaskClient
) -> None:
    where = buy(browser)
    page = browser.get(where).text
    assert "Opening the payment page" in page
    assert "4242 4242 4242 4242" in page
    before = browser.get(f"{where}.json").json

    gateway.payments["pay_0"] |= {"status": "requires_action", "checkout_url": CHECKOUT}
    after = browser.get(f"{where}.json").json

    assert (before["checkout_url"], after["checkout_url"]) == (None, CHECKOUT)
    assert before["state"] != after["state"]
    opened = browser.get(where)
    assert (opened.status_code, opened.location) == (303, CHECKOUT)
    back = browser.get(f"{where}?outcome=paid")
    assert back.status_code == 200
    assert f'href="{CHECKOUT}"' in back.text
    assert "Paid, thank you" not in back.text


def test_an_order_that_is_paid_waits_for_its_callback(
    gateway: FakeGateway, store: Store, browser: FlaskClient
) -> None:
    where = buy(browser)
    gateway.payments["pay_0"] |= {"status": "succeeded"}
    gateway.orders["ord_0"] |= {"status": "packaging"}
    page = browser.get(where).text
    assert "Paid, thank you" in page
    assert "data-watch" in page

    browser.post("/callbacks", **signed(store, "evt_9", "order.payment_done", {"id": "ord_0"}))

    page = browser.get(where).text
    assert "order.payment_done" in page
    assert "data-watch" not in page
    assert "about this order" in page


def test_a_failed_payment_can_be_tried_again(gateway: FakeGateway, browser: FlaskClient) -> None:
    where = buy(browser, "chai")
    failure = {"code": "card_declined", "message": "Your bank said <no>."}
    gateway.payments["pay_0"] |= {"status": "failed", "failure": failure}
    gateway.orders["ord_0"] |= {"status": "payment_failed"}
    page = browser.get(where).text
    assert "Your bank said &lt;no&gt;." in page

    token = re.findall(r'name="token" value="(\w+)"', page)[0]
    again = browser.post(f"{where}/pay", data={"token": token})

    assert (again.status_code, again.location) == (303, where)
    assert [p["method"] for p in gateway.payments.values()] == ["upi", "upi"]
    assert "Opening the payment page" in browser.get(where).text


@pytest.mark.parametrize(
    ("order", "payment", "words"),
    [
        ("payment_in_progress", {"status": "processing"}, "The bank is working on it"),
        ("payment_in_progress", {"status": "authorized"}, "The amount is held"),
        ("payment_in_progress", {"status": "review"}, "A person is looking"),
        ("payment_in_progress", {"certainty": "unconfirmed"}, "longer than usual"),
        ("payment_failed", {"status": "expired"}, "Nobody paid in time"),
        ("payment_failed", {"status": "cancelled"}, "The payment was given up"),
        ("payment_done", {"status": "refunded"}, "Paid, thank you"),
        ("payment_failed", {"status": "refunded"}, "You have your money back"),
        ("cancelled", {"status": "refunded"}, "This order was cancelled"),
        ("brand_new", {"status": "quite_new"}, "Quite new"),
        (
            "payment_in_progress",
            {
                "status": "requires_action",
                "checkout_url": "javascript:alert(1)",
                "failure": {"code": "card_declined", "message": "Too little money."},
            },
            "Too little money. Try another way",
        ),
    ],
)
def test_every_status_has_words(
    gateway: FakeGateway, browser: FlaskClient, order: str, payment: dict[str, Any], words: str
) -> None:
    where = buy(browser)
    gateway.orders["ord_0"]["status"] = order
    gateway.payments["pay_0"] |= payment

    page = browser.get(where).text

    assert words in page
    assert "javascript:" not in page
    assert gateway.orders["ord_0"]["reference"] in browser.get("/").text


def test_a_refusal_of_the_gateway_is_readable(gateway: FakeGateway, browser: FlaskClient) -> None:
    token = token_of(browser.get("/").text, "cups")
    gateway.refusals = [(422, "invalid_request")]

    answer = browser.post("/buy", data={"product": "cups", "token": token})

    assert answer.status_code == 422
    for shown in ("No &lt;b&gt;way&lt;/b&gt;.", "Because.", "req_7"):
        assert shown in answer.text
    assert browser.get("/orders/nobody").status_code == 404


def test_without_the_gateway_the_shop_says_so(store: Store, browser: FlaskClient) -> None:
    token = token_of(browser.get("/").text, "cups")
    store.gateway.url = "http://127.0.0.1:1"

    answer = browser.post("/buy", data={"product": "cups", "token": token})

    assert answer.status_code == 503
    assert "cannot be reached" in answer.text
    assert token in answer.text  # to try again with the same keys
    assert "does not answer" in browser.get("/").text


@pytest.mark.parametrize(
    ("form", "status"),
    [({}, 400), ({"product": "cups", "token": "x"}, 400), ({"token": "a" * 32}, 404)],
)
def test_forms_that_are_not_the_shops(
    gateway: FakeGateway, browser: FlaskClient, form: dict[str, str], status: int
) -> None:
    assert browser.post("/buy", data=form).status_code == status
    assert not gateway.orders


def test_pages_run_no_foreign_script_and_show_no_secret(store: Store, browser: FlaskClient) -> None:
    pages = [browser.get("/"), browser.get(buy(browser)), browser.get("/nowhere")]
    for page in pages:
        assert "script-src 'self';" in page.headers["Content-Security-Policy"]
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?! src)|style=| on\w+=", page.text)
        for secret in (SECRET, str(store.registration.secret)):
            assert secret not in page.text
    with browser.get("/assets/store.js") as script:
        assert script.status_code == 200


def test_prices_read_as_people_write_them() -> None:
    assert price(1290, "EUR") == "€12.90"
    assert price(123456700, "INR") == "₹1,234,567.00"
    assert price(500, "JPY") == "500 JPY"
    assert price(1234, "KWD") == "1.234 KWD"
