"""An HTTP client that costs little enough to share a machine with what it measures.

libcurl's multi interface from one thread: `closed` keeps a number of requests in flight, `paced`
starts them at a rate, whatever the answers do. Latencies are in milliseconds.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pycurl

TIMEOUT_MS = 10_000


@dataclass(frozen=True)
class Signed:
    """A body with a header of its own."""

    body: bytes
    header: str


@dataclass(frozen=True)
class Post:
    """One request; its body is made when it is sent."""

    url: str
    headers: tuple[str, ...]
    body: Callable[[], bytes | Signed]


@dataclass
class Load:
    """What came back."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    sample: bytes = b""  # the last body that was not what was hoped for

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def only(self, status: int) -> "Load":
        """Itself. Raises if anything else was answered: a fast refusal is no result."""
        if set(self.statuses) != {status}:
            raise RuntimeError(
                f"wanted {status} only: {dict(self.statuses)}, {self.sample[:300]!r}"
            )
        return self


def closed(post: Post, *, connections: int, seconds: float) -> Load:
    """`connections` requests in flight, each followed by the next, for `seconds`."""
    driver = _Driver(post, connections)
    began = time.perf_counter()
    for handle in driver.free[:]:
        driver.start(handle)
    while (now := time.perf_counter()) < began + seconds:
        for handle in driver.turn(0.5):
            driver.start(handle)
    driver.load.seconds = now - began
    driver.finish()
    return driver.load


def paced(post: Post, *, per_second: float, seconds: float, connections: int = 64) -> Load:
    """Requests at a steady rate. Latency counts from when each was to start, so that a server
    which stalls is not spared the requests it kept from starting.
    """
    driver = _Driver(post, connections)
    began = time.perf_counter()
    due: Iterator[float] = (began + n / per_second for n in range(int(per_second * seconds)))
    coming: float | None = next(due)
    while coming is not None or driver.busy:
        while coming is not None and driver.free and coming <= time.perf_counter():
            driver.start(driver.free[-1], at=coming)
            coming = next(due, None)
        wait = 0.05 if coming is None else max(0.0, min(0.05, coming - time.perf_counter()))
        driver.turn(wait)
    driver.load.seconds = time.perf_counter() - began
    return driver.load


class _Driver:
    def __init__(self, post: Post, connections: int) -> None:
        self.post, self.load = post, Load()
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self.free = [self._handle() for _ in range(connections)]
        self.busy: dict[Any, tuple[float, BytesIO]] = {}

    def _handle(self) -> Any:
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, self.post.url)
        handle.setopt(pycurl.HTTPHEADER, [*self.post.headers, "Expect:"])
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.TIMEOUT_MS, TIMEOUT_MS)
        return handle

    def start(self, handle: Any, *, at: float | None = None) -> None:
        self.free.remove(handle)
        answer = BytesIO()
        body = self.post.body()
        if isinstance(body, Signed):
            handle.setopt(pycurl.HTTPHEADER, [*self.post.headers, body.header, "Expect:"])
            body = body.body
        handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.WRITEFUNCTION, answer.write)
        self.busy[handle] = (at or time.perf_counter(), answer)
        self.multi.add_handle(handle)

    def turn(self, wait: float) -> list[Any]:
        """Move bytes for `wait` seconds at most; the handles that became free."""
        self.multi.perform()
        _, good, bad = self.multi.info_read()
        if not good and not bad and wait:
            self.multi.select(wait)
            self.multi.perform()
            _, good, bad = self.multi.info_read()
        for handle in good:
            self._done(handle, handle.getinfo(pycurl.RESPONSE_CODE))
        for handle, _, why in bad:
            self.load.sample = why.encode()
            self._done(handle, 0)
        return [*good, *(handle for handle, *_ in bad)]

    def _done(self, handle: Any, status: int) -> None:
        began, answer = self.busy.pop(handle)
        self.load.latencies.append((time.perf_counter() - began) * 1000)
        self.load.statuses[status] += 1
        if not 200 <= status < 300:
            self.load.sample = answer.getvalue() or self.load.sample
        self.multi.remove_handle(handle)
        self.free.append(handle)

    def finish(self) -> None:
        """Wait for what is still in flight; it is not counted."""
        counted = len(self.load.latencies)
        statuses = self.load.statuses.copy()
        while self.busy:
            self.turn(0.5)
        del self.load.latencies[counted:]
        self.load.statuses = statuses
