"""What a demo shows of itself: each call, callback and widget event, as "What just happened".

Your shop needs none of it but the inbox, and that in its database: `../inbox.py` is one. Kept in
memory, and never with a secret. A callback that is not verified is listed and never acted upon.
"""

import re
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

KEPT, KEPT_REFUSED, LINES = 1000, 100, 80
_ID = re.compile(r"\b([a-z]{2,3}_)[0-9a-z]{20}([0-9a-z]{6})\b")
_UNTRUSTED: dict[str, Any] = {"type": "unverified", "data": {}}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Line:
    """One thing that happened, as the panel shows it."""

    kind: str  # call, callback or widget
    what: str
    outcome: str
    good: bool
    more: str = ""
    times: int = 1
    at: datetime = field(default_factory=_now)


class Journal:
    """The newest lines. `version` changes with each, `heard` with each callback."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque(maxlen=LINES)
        self.version = self.heard = 0

    def lines(self) -> list[Line]:
        """Newest first."""
        with self._lock:
            return list(self._lines)

    def call(
        self, method: str, path: str, query: Any, status: int, seconds: float, request_id: str
    ) -> None:
        what = _ID.sub(r"\1…\2", f"{method} {path}" + (f"?{urlencode(query)}" if query else ""))
        more = f"{seconds * 1000:.0f} ms" + (f" · {request_id}" if request_id else "")
        self._note(Line("call", what, str(status or "no answer"), 0 < status < 400, more))

    def callback(self, what: str, name: str, *, verified: bool, more: str = "") -> None:
        outcome = "verified" if verified else "not verified"
        told = " · ".join(filter(None, (f"…{name[-8:]}" if name else "without an id", more)))
        self._note(Line("callback", what, outcome, verified, told))

    def widget(self, name: str, more: str) -> None:
        self._note(Line("widget", name, "", True, more))

    def _note(self, line: Line) -> None:
        with self._lock:
            self.version += 1
            self.heard += line.kind == "callback"
            same = self._same_look(line)
            if same:
                line.times += same.times
                self._lines.remove(same)
            self._lines.appendleft(line)

    def _same_look(self, line: Line) -> Line | None:
        """A page that looks again and again is one line, until something else happens."""
        for known in self._lines:
            if not known.what.startswith("GET ") or known.kind != "call":
                return None
            if (known.kind, known.what, known.outcome) == (line.kind, line.what, line.outcome):
                return known
        return None


@dataclass
class Callback:
    id: str
    verified: bool
    body: dict[str, Any]
    number: int  # in order of arrival
    received_at: datetime = field(default_factory=_now)
    duplicates: int = 0

    @property
    def type(self) -> str:
        return str(self.body["type"])

    def is_about(self, subject_id: str) -> bool:
        names = ("id", "order_id", "payment_id")
        return any(self.body["data"].get(name) == subject_id for name in names)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "verified": self.verified,
            "received_at": self.received_at.isoformat(timespec="milliseconds"),
            "duplicates": self.duplicates,
            "body": self.body,
        }


def sound(event: Any) -> dict[str, Any]:
    """The event, if it has the shape of one. Raises ValueError."""
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ValueError("An event is an object with a type.")
    if not isinstance(event.get("data"), dict):
        raise ValueError("An event has data.")
    return event


class Inbox:
    """The callbacks that came, each verified one once, and what was packed on them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._verified: OrderedDict[str, Callback] = OrderedDict()
        self._refused: deque[Callback] = deque(maxlen=KEPT_REFUSED)
        self._packed: dict[str, Callback] = {}
        self._count = 0

    def refuse(self, name: str) -> None:
        """Nothing of what it said is kept."""
        with self._lock:
            self._count += 1
            self._refused.append(Callback(name[:100], False, _UNTRUSTED, self._count))
        self._journal.callback("A call of unknown origin", name[:100], verified=False)

    def keep(self, name: str, body: dict[str, Any], *, packs: bool) -> None:
        """Once per `name`, the header webhook-id; `packs` says that it pays for its order."""
        with self._lock:
            self._count += 1
            known = self._verified.get(name)
            if known:
                known.duplicates += 1
                more = f"came {known.duplicates + 1} times, counted once"
            else:
                callback = self._verified[name] = Callback(name, True, body, self._count)
                more = self._pack(callback) if packs else ""
            if len(self._verified) > KEPT:
                self._verified.popitem(last=False)
        self._journal.callback(str(body["type"]), name, verified=True, more=more)

    def _pack(self, callback: Callback) -> str:
        order_id = str(callback.body["data"].get("id"))
        if self._packed.setdefault(order_id, callback) is callback:
            return "the parcel was packed on this"
        return "the parcel was packed before"

    def packed(self, order_id: str) -> Callback | None:
        """The callback that made the shop pack this order."""
        return self._packed.get(order_id)

    def listed(self, *, about: str | None = None, type: str | None = None) -> list[Callback]:
        """Newest first."""
        with self._lock:
            every = [*self._verified.values(), *self._refused]
        wanted = (
            callback
            for callback in every
            if type in (None, callback.type) and (about is None or callback.is_about(about))
        )
        return sorted(wanted, key=lambda callback: callback.number, reverse=True)
