"""Every curl in the documents is sent to a gateway, and its answer is the one that is told."""

import re

import pytest
import requests

from gateway.kernel import waiting

from .commands import GATEWAY, ROOT, Call, as_told, calls

DOCUMENTS = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if calls(path.read_text())
]


class Reader:
    """Somebody who types what a document says, and puts the ids that came back for `pay_...`."""

    def __init__(self, web, drain):
        self.web, self.drain = web, drain
        self.ids = {}

    def type(self, call):
        self.drain(only="payments.")  # as workers would have by now
        answer = requests.request(
            call.method,
            self.filled(call.url),
            headers=call.headers,
            data=call.body,
            auth=call.user,
            timeout=15,
        )
        self.remember(answer.json())
        return answer

    def filled(self, url):
        known = re.sub(r"\b([a-z]+)_\.\.\.", lambda found: self.id(found[1]), url)
        return known.replace(GATEWAY, self.web)

    def id(self, prefix):
        if prefix == "wd" and prefix not in self.ids:
            self.be_told()
        return self.ids[prefix]

    def remember(self, shown):
        if isinstance(shown, dict):
            for each in [shown, *shown.get("data", [])]:
                if "id" in each:
                    self.ids[each["id"].partition("_")[0]] = each["id"]

    def be_told(self):
        """Have something delivered: an endpoint hears of itself."""
        own = "key_test_abc123", "secret_test_xyz789"
        everything = '{"url": "http://127.0.0.1:1/"}'
        headers = {"Content-Type": "application/json"}
        url = f"{GATEWAY}/api/v1/webhook-endpoints"
        self.type(Call(url, "POST", headers, body=everything, user=own))
        self.type(Call(f"{GATEWAY}/api/v1/webhook-deliveries", user=own))


@pytest.fixture
def reader(stripe, web, drain, monkeypatch):
    monkeypatch.setattr(waiting, "LONGEST_SECONDS", 0)  # nothing happens during a call here
    return Reader(web, drain)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_call_of_a_document_answers_as_it_says(reader, path):
    for call in calls(path.read_text()):
        answer = reader.type(call)

        assert answer.status_code == call.status or (call.status is None and answer.ok), (
            f"{call.method} {call.url}: {answer.status_code} {answer.text}"
        )
        if call.answer is not None:
            assert as_told(call.answer, answer.json()), f"{call.method} {call.url}: {answer.text}"


def test_the_readme_keeps_its_promises(reader):
    pay, look, register = calls((ROOT / "README.md").read_text())
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


def test_every_answer_in_the_guide_belongs_to_a_call():
    shown = (ROOT / "docs/api.md").read_text().count("```json")

    assert shown == len([call for call in api() if call.answer is not None])


def test_the_guide_shows_every_call_there_is(client):
    paths = client.get("/openapi.json").json["paths"]
    shown = {(call.method, call.url.split("?")[0].removeprefix(GATEWAY)) for call in api()}
    missing = [
        f"{method.upper()} {path}"
        for path, operations in paths.items()
        for method in operations
        if path.startswith("/api/v1")
        and not any(
            said == method.upper() and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), url)
            for said, url in shown
        )
    ]

    assert missing == []


def api():
    return calls((ROOT / "docs/api.md").read_text())


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
