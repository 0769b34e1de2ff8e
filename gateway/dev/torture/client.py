"""A merchant's server as the documentation asks for one: every POST has a key and is repeated.

Speaks HTTP only, and writes down what it was answered; it judges nothing but what no answer may be.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import requests

TIMEOUT_SECONDS = 10.0
AGAIN_SECONDS, PATIENCE_SECONDS = 0.3, 60.0
MOST_KEPT = 200  # of what was wrong: one bug may be told a thousand times

# What a flow yields is how many seconds it has nothing to do; it never sleeps itself.
Flow = Generator[float, None, Any]


class Silent(RuntimeError):
    """What must be answered was not; the message names it."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Acked:
    """A POST that was accepted: what must never be forgotten."""

    merchant: str
    path: str
    key: str
    answer: Answer
    body: dict[str, Any] | None = None


@dataclass
class Ledger:
    """What all clients of a run have seen. Lists and counters are only added to."""

    acked: list[Acked] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)  # answers that nobody may give
    differing: list[str] = field(default_factory=list)  # repeats with another answer
    statuses: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    repeats: int = 0
    unanswered: int = 0
    away_until: float = 0.0  # nobody listens: all clients leave it alone for a moment
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note_strange(self, words: str) -> None:
        with self.lock:
            if len(self.strange) < MOST_KEPT:
                self.strange.append(words)


class Client:
    """One merchant's. Any number of threads may use it; each has its own connections."""

    def __init__(self, url: str, merchant: dict[str, str], ledger: Ledger) -> None:
        self.url, self.ledger = f"{url}/api/v1", ledger
        self.merchant = merchant["merchant"]
        self._headers = {"X-Api-Key": merchant["key"], "X-Api-Secret": merchant["secret"]}
        self._own = threading.local()
        self._firsts: dict[str, Answer] = {}

    def get(self, path: str, **query: Any) -> Flow:
        """The resource; asked again until it is there to be read."""
        while True:
            answer = self._once("GET", path, query=query)
            if answer is not None:
                if answer.status != 200:
                    self.ledger.note_strange(f"GET {path}: {answer.status} {answer.body[:200]!r}")
                return answer
            yield AGAIN_SECONDS

    def post(
        self, path: str, body: dict[str, Any] | None = None, *, key: str, expect: tuple[Any, ...]
    ) -> Flow:
        """Until there is an answer. `expect` are statuses, and the codes of refusals."""
        while True:
            answer = self._once("POST", path, body=body, key=key)
            if answer is not None:
                break
            with self.ledger.lock:
                self.ledger.repeats += 1
            yield AGAIN_SECONDS
        if answer.status < 300:
            self._accept(path, key, answer, body)
        if answer.status not in expect and _code(answer) not in expect:
            words = f"POST {path} {body}: {answer.status} {answer.body[:300]!r}"
            self.ledger.note_strange(words)
        return answer

    def look(self, path: str, **query: Any) -> Answer:
        """One GET, whatever its answer; for who looks where nothing may be found."""
        return self._patiently("GET", path, query=query)

    def try_post(self, path: str) -> Answer:
        """One POST without a body or a key, whatever its answer."""
        return self._patiently("POST", path)

    def _patiently(self, method: str, path: str, **said: Any) -> Answer:
        """Raises `Silent` when there is no answer in a minute, which is no fault's doing."""
        for _ in range(int(PATIENCE_SECONDS / AGAIN_SECONDS)):
            answer = self._once(method, path, **said)
            if answer is not None:
                return answer
            time.sleep(AGAIN_SECONDS)
        raise Silent(f"{method} {path} was not answered within {PATIENCE_SECONDS:g} s")

    def put(self, path: str, body: dict[str, Any]) -> Answer | None:
        return self._once("PUT", path, body=body)

    def everything(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """A list's every page."""
        found: list[dict[str, Any]] = []
        query = {"limit": 100} | query
        while True:
            page = self._page(path, **query)
            found += page["data"]
            if not page["has_more"]:
                return found
            query["starting_after"] = found[-1]["id"]

    def _page(self, path: str, **query: Any) -> Any:
        answer = self.look(path, **query)
        if answer.status != 200:
            raise Silent(f"GET {path} {query}: {answer.status} {answer.body[:200]!r}")
        return answer.json

    def feed(self) -> list[dict[str, Any]]:
        """Every event, oldest first."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self._page("events", after=after, limit=100)
            found += page["data"]
            if not page["has_more"]:
                return found
            after = page["next_after"]

    def repeat(self, acked: Acked) -> None:
        """Once more, long after: the ledger notes whether the answer is the same."""
        said = (acked.answer.status,)
        finish(self.post(acked.path, acked.body, key=acked.key, expect=said))

    def _accept(self, path: str, key: str, answer: Answer, body: dict[str, Any] | None) -> None:
        with self.ledger.lock:
            first = self._firsts.setdefault(key, answer)
            if first is answer:
                self.ledger.acked.append(Acked(self.merchant, path, key, answer, body))
            elif first != answer and len(self.ledger.differing) < MOST_KEPT:
                self.ledger.differing.append(
                    f"POST {path} {key}: first {first.status} {first.body[:200]!r},"
                    f" then {answer.status} {answer.body[:200]!r}"
                )

    def _once(self, method: str, path: str, **said: Any) -> Answer | None:
        """None if the same is to be said again: no answer, not now, or still at it."""
        if time.monotonic() < self.ledger.away_until:
            return None
        headers = self._headers
        if said.get("key"):
            headers = headers | {"Idempotency-Key": said["key"]}
        try:
            found = self._session().request(
                method,
                f"{self.url}/{path}",
                json=said.get("body"),
                params=said.get("query"),
                headers=headers,
                timeout=TIMEOUT_SECONDS,
            )
        except requests.RequestException as error:
            with self.ledger.lock:
                self.ledger.requests += 1
                self.ledger.unanswered += 1
                if isinstance(error, requests.ConnectionError):
                    self.ledger.away_until = time.monotonic() + AGAIN_SECONDS
            return None
        answer = Answer(found.status_code, found.content)
        with self.ledger.lock:
            self.ledger.requests += 1
            self.ledger.statuses[answer.status] += 1
        if answer.status >= 500:
            if answer.status != 503 or not found.headers.get("Retry-After"):
                self.ledger.note_strange(
                    f"{method} {path}: {answer.status} {dict(found.headers)} {answer.body[:300]!r}"
                )
            return None
        if _code(answer) == "idempotency_key_in_use":
            return None
        return answer

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = requests.Session()
            session.trust_env = False
        return session


def _code(answer: Answer) -> str:
    if answer.status < 400:
        return ""
    try:
        return str(answer.json.get("code"))
    except ValueError:
        return ""


def finish(flow: Flow) -> Any:
    """Go through with a flow in this thread, sleeping where it has nothing to do."""
    while True:
        try:
            time.sleep(next(flow))
        except StopIteration as ended:
            return ended.value


def at_once(*flows: Flow) -> list[Any]:
    """Go through with all of them at the same time; what each of them returned."""
    results: list[Any] = [None] * len(flows)

    def run(number: int, flow: Flow) -> None:
        results[number] = finish(flow)

    threads = [threading.Thread(target=run, args=each) for each in enumerate(flows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
