"""What the store says when something is wrong; it shows all that happens, but no secret."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient

from gateway.dev.machine import free_port
from gateway.dev.seed import SECRET
from gateway.dev.walk import wait_for

from .conftest import FOLDER
from .fake import TOKEN, FakeGateway, Store, buy, cart, signed

FORM = {"token": TOKEN, "method": "card", "KF-CUPS": "1"}


@pytest.mark.parametrize(
    ("refused", "shown"), [(422, 422), (409, 409), (404, 404), (401, 503), (500, 503)]
)
def test_a_refusal_of_the_gateway_is_shown_in_its_words(
    gateway: FakeGateway, browser: FlaskClient, refused: int, shown: int
) -> None:
    gateway.refusals = [(refused, "some_code")] * 2

    page, told = browser.post("/orders", data=FORM), browser.post("/orders", json=cart())

    assert page.status_code == told.status_code == shown
    for words in ("No &lt;b&gt;way&lt;/b&gt;.", "Because.", "req_7", 'href="/"'):
        assert words in page.text
    assert told.json == {"title": "No <b>way</b>.", "detail": "Because.", "request_id": "req_7"}


def test_without_the_gateway_the_shop_says_so(store: Store, browser: FlaskClient) -> None:
    where = buy(browser)
    store.gateway.url = "http://127.0.0.1:1"

    bought, told = browser.post("/orders", data=FORM), browser.post("/orders", json=cart())

    for answer in (bought, told, browser.get("/"), browser.get(where)):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert "cannot be reached" in answer.text
    assert f'name="token" value="{TOKEN}"' in bought.text  # to try again with the same key
    assert 'name="KF-CUPS" value="1"' in bought.text


def test_what_is_not_the_gateway_is_not_believed(store: Store, browser: FlaskClient) -> None:
    store.gateway.url += "/nowhere"  # Flask's own 404, in HTML
    assert browser.get("/").status_code == 404
    store.gateway._http.request = lambda *_, **__: _html()
    assert browser.get("/").status_code == 503


def _html() -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer._content = 200, b"<h1>Welcome</h1>"
    return answer


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("POST", "/orders", {"data": b"x" * 70_000}),
        ("POST", "/orders", {"data": b"x", "content_type": "multipart/form-data; boundary=x"}),
        ("POST", "/events", {"json": {"name": "x", "detail": "<b>"}}),
        ("POST", "/events", {"json": ["x"]}),
        ("POST", "/events", {"data": "x"}),
        ("POST", "/events", {"json": {"name": "open", "detail": "x" * 200}}),
        ("POST", "/callbacks", {"data": b"x" * 70_000}),
        ("POST", "/callbacks", {"headers": {"webhook-id": "e", "webhook-signature": "v1,\xe4"}}),
        ("DELETE", "/orders", {}),
        ("PUT", "/", {}),
        ("GET", "/panel?seen=x", {}),
        ("GET", "/callbacks.json?type=%ff&order_id=%00", {}),
        ("GET", "/assets/../server.py", {}),
        ("GET", "/orders/KF-1?signature=%ff%00", {}),
    ],
)
def test_nothing_that_is_sent_makes_it_answer_500(
    browser: FlaskClient, method: str, path: str, sent: dict[str, object]
) -> None:
    assert browser.open(path, method=method, **sent).status_code < 500


def test_the_panel_shows_what_happened_newest_first(store: Store, browser: FlaskClient) -> None:
    store.journal._lines.clear()
    assert "Nothing yet. Buy something" in browser.get("/panel").text

    buy(browser)
    browser.post("/events", json={"name": "success", "detail": "status: succeeded"})
    call = signed(store, "evt_00000042", "payment.succeeded", {"id": "pay_1"})
    browser.post("/callbacks", **call)
    browser.post("/callbacks", **call | {"data": "{}"})

    panel = browser.get("/panel").text
    shown = re.findall(r'class="what">(.+?)</span>', panel)
    newest = ["A call of unknown origin", "payment.succeeded", "success", "POST /orders"]
    assert shown[:4] == newest
    for words in ("201", " ms", "status: succeeded", "…00000042", "verified", "not verified"):
        assert words in panel
    for secret in (SECRET, str(store.opening.secret)):
        assert secret not in panel


def test_the_panel_is_sent_when_there_is_something_new(browser: FlaskClient) -> None:
    (version,) = re.findall(r'data-version="(\d+)"', browser.get("/").text)
    assert browser.get(f"/panel?seen={version}").status_code == 204
    buy(browser)
    assert browser.get(f"/panel?seen={version}").status_code == 200


def test_a_page_that_looks_again_is_one_line_of_the_panel(browser: FlaskClient) -> None:
    where = buy(browser)
    for _ in range(5):
        page = browser.get(where).text

    assert page.count(f">GET {where}<") == 1
    assert "5 times" in page


def test_it_runs_as_a_process_and_ends_at_once(gateway: FakeGateway, tmp_path: Path) -> None:
    port = free_port()
    where = ("--port", str(port), "--gateway", gateway.url)
    memory = ("--memory", str(tmp_path / "store.json"))
    store = subprocess.Popen(
        [sys.executable, str(FOLDER / "server.py"), *where, *memory],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for("the shop", lambda: requests.get(f"{url}/healthz", timeout=1).ok, seconds=20)
        with requests.Session() as browser:
            assert browser.get(url, timeout=5).raw.version == 11
            began = time.monotonic()
            store.send_signal(signal.SIGTERM)
            said, _ = store.communicate(timeout=5)
        assert time.monotonic() - began < 1
        assert (store.returncode, said) == (0, b"")
    finally:
        store.kill()


def test_the_code_to_copy_is_short_and_knows_nothing_of_the_gateways() -> None:
    for path in FOLDER.glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) < 200, path.name
        assert not re.search(r"^(from|import) (gateway|workers)\b", text, re.MULTILINE), path.name
