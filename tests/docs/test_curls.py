"""Every command in the documents is typed, and the answers are those that are told."""

import json
import re

import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import select
from tests_support import signed

from gateway.callbacks.catalogue import CATALOGUE
from gateway.cli import main_group, operations  # noqa: F401 - it adds commands
from gateway.kernel import runs, waiting
from gateway.kernel.db import transaction
from gateway.kernel.events import Event

from .commands import GATEWAY, ROOT, SANDBOX, Call, as_told, calls, steps

DOCUMENTS = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if calls(path.read_text())
]


HOW_TOS = sorted((ROOT / "docs/howto").glob("*.md"))
# What workers do; callbacks are not among it, as nobody listens where documents let them go.
TASKS = ("payments.", "captures.", "refunds.", "orders.")
OWN = ("key_test_abc123", "secret_test_xyz789")


class Reader:
    """Somebody who types what a document says, and puts the ids that came back for `pay_...`."""

    def __init__(self, web, stripe, drain):
        self.web, self.stripe, self.drain = web, stripe, drain
        self.ids = {}
        self.heard = set()

    def type(self, call):
        self.drain(only=TASKS)  # as workers would have by now
        self.bring_news()
        self.drain(only=TASKS)
        answer = requests.request(
            call.method,
            self.filled(call.url),
            headers=call.headers,
            data=call.body and self.filled(call.body),
            auth=call.user,
            timeout=15,
            allow_redirects=False,
        )
        if "json" in answer.headers["Content-Type"]:
            self.remember(answer.json())
        if call.url.startswith(SANDBOX):
            self.bring_news()
        return answer

    def command(self, words):
        self.drain(only=TASKS)
        return CliRunner().invoke(main_group, words)

    def filled(self, url):
        if "/reconciliations" in url and "dcr" not in self.ids:
            self.differ()
        url = url.replace("pay_..._secret_...", self.ids.get("client_secret", ""))
        known = re.sub(r"\b([a-z]+(?:_test)?)_\.\.\.", lambda found: self.id(found[1]), url)
        return known.replace(GATEWAY, self.web).replace(SANDBOX, self.stripe.url)

    def id(self, prefix):
        if prefix == "wd" and prefix not in self.ids:
            self.be_told()
        return self.ids[prefix]

    def remember(self, shown):
        """Every id in it. A list is read from its end: what stays is the first, the newest."""
        if isinstance(shown, list):
            for each in reversed(shown):
                self.remember(each)
        if isinstance(shown, dict):
            for each in shown.values():
                self.remember(each)
            for name, secret in (("client_secret", "client_secret"), ("cancel_token", "token")):
                if shown.get(name):
                    self.ids[secret] = shown[name]
            page = shown.get("checkout_url") or ""
            for each in (page.rpartition("/")[2], str(shown.get("id", ""))):
                self.ids[each.rpartition("_")[0]] = each

    def bring_news(self):
        """As the sandbox would by itself, had it been told where the gateway is."""
        for event in self.stripe.events():
            if event["id"] not in self.heard:
                self.heard.add(event["id"])
                raw = json.dumps(event)
                url = f"{self.web}/webhooks/stripe"
                requests.post(url, data=raw, headers=signed(raw), timeout=15).raise_for_status()

    def be_told(self):
        """Have something delivered: an endpoint hears of itself."""
        everything = '{"url": "http://127.0.0.1:1/"}'
        headers = {"Content-Type": "application/json"}
        url = f"{GATEWAY}/api/v1/webhook-endpoints"
        self.type(Call(url, "POST", headers, body=everything, user=OWN))
        self.type(Call(f"{GATEWAY}/api/v1/webhook-deliveries", user=OWN))

    def differ(self):
        """Have a run find that Stripe has lost a session."""
        self.type(Call(f"{GATEWAY}/api/v1/payments", user=OWN))
        session = self.stripe.sessions(self.ids["pay"])[0]["id"]
        self.stripe.lever("DELETE", f"objects/{session}")
        with transaction(actor="test:run") as tx:
            self.ids["run"] = runs.start(tx, "reconcile").id
        self.drain(only=(*TASKS, "clock."))
        self.type(Call(f"{GATEWAY}/api/v1/discrepancies?status=open", user=OWN))


@pytest.fixture
def reader(stripe, web, drain, monkeypatch):
    monkeypatch.setattr(waiting, "LONGEST_SECONDS", 0)  # nothing happens during a call here
    return Reader(web, stripe, drain)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_step_of_a_document_goes_as_it_says(reader, path):
    for step in steps(path.read_text()):
        if isinstance(step, Call):
            check(reader, step)
        else:
            done = reader.command(step.words)
            assert done.exit_code == 0, done.output
            assert step.printed is None or as_told(step.printed, done.output), done.output
    if path in HOW_TOS:
        reader.drain(only=TASKS)
        assert named(table(path, "What the shop hears")) == told()


def check(reader, call):
    answer = reader.type(call)

    assert answer.status_code == call.status or (call.status is None and answer.ok), (
        f"{call.method} {call.url}: {answer.status_code} {answer.text}"
    )
    if call.answer is not None:
        assert as_told(call.answer, answer.json()), f"{call.method} {call.url}: {answer.text}"


def told():
    """The types of all events, in the order in which each was first told."""
    with transaction(actor="test:told") as tx:
        return list(dict.fromkeys(tx.scalars(select(Event.type).order_by(Event.seq))))


def named(text):
    """The types that a text names, in the order in which it does."""
    return list(
        dict.fromkeys(name for name in re.findall(r"`([a-z._]+)`", text) if name in CATALOGUE)
    )


def table(path, heading):
    """The rows below a heading."""
    below = path.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return "\n".join(line for line in below.splitlines() if line.startswith("|"))


def test_the_readme_keeps_its_promises(reader):
    allow, pay, look, register = calls((ROOT / "README.md").read_text())
    assert "http://127.0.0.1:9001" in reader.type(allow).json()["allowed_origins"]
    first, again = reader.type(pay), reader.type(pay)
    seen, endpoint = reader.type(look).json(), reader.type(register)

    assert (first.status_code, first.json()["status"]) == (201, "pending")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert seen["data"][0]["checkout_url"].startswith("http")
    assert endpoint.json()["secret"].startswith("whsec_")


def test_every_curl_is_found():
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        text = path.read_text()

        assert len(re.findall(r"^curl ", text, re.MULTILINE)) == len(calls(text)), path.name


def test_the_page_of_callbacks_names_every_event_there_is():
    listed = named(table(ROOT / "docs/callbacks.md", "Fulfil on `order.payment_done`"))

    assert sorted(listed) == sorted(CATALOGUE)


def test_every_answer_in_the_guide_belongs_to_a_call():
    shown = guide().count("```json")

    assert shown == len([call for call in api() if call.answer is not None])


def test_the_guide_shows_every_call_there_is(client):
    paths = client.get("/openapi.json").json["paths"]
    shown = {(call.method, call.url.split("?")[0].removeprefix(GATEWAY)) for call in api()}
    missing = [
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/v1")
        and not any(
            said == method.upper() and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), url)
            for said, url in shown
        )
    ]

    assert missing == []


def api():
    return calls(guide())


def guide():
    """The merchants' calls, and those of a shop's page."""
    return "".join((ROOT / page).read_text() for page in ("docs/api.md", "docs/checkout.md"))


@pytest.mark.parametrize(
    ("told", "got", "same"),
    [
        ("pay_...", "pay_01", True),
        ("pay_...", "ord_01", False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "...": "..."}, {"a": 1, "b": 2}, True),
        ({"a": 1, "...": "..."}, {"b": 2}, False),
        ([1], [1, 2], False),
        ([1, "..."], [1, 2, 3], True),
        ([1, "..."], [2], False),
        ([1, 2, "..."], [1], False),
        (None, None, True),
        ("...", None, False),
        (True, 1, False),
    ],
)
def test_answers_are_compared_closely(told, got, same):
    assert as_told(told, got) is same
