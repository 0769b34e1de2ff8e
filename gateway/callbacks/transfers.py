"""Many POSTs at once in one thread: libcurl's multi interface behind a selector.

A transfer's place is free again as soon as it has ended; nobody waits for the slowest of a batch.
Connections are kept and used again. Knows nothing of deliveries, and never touches the database.
"""

import os
import selectors
import threading
import time
from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Any

import pycurl

from gateway.callbacks.sender import Exchange, Failure, Result
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import assert_no_transaction

_READABLE, _WRITABLE = selectors.EVENT_READ, selectors.EVENT_WRITE
_WATCH = {
    pycurl.POLL_IN: _READABLE,
    pycurl.POLL_OUT: _WRITABLE,
    pycurl.POLL_INOUT: _READABLE | _WRITABLE,
}


class Transfers:
    """`start` any number, then `wait` for those that have ended. One thread at a time, but for
    `wake`, which any thread may call. As many connections as `kept` stay open for the next.
    """

    def __init__(self, kept: int = 1) -> None:
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self.multi.setopt(pycurl.M_MAXCONNECTS, kept)
        self.selector = selectors.DefaultSelector()
        self.ear, self.bell = os.pipe()
        os.set_blocking(self.ear, False)
        os.set_blocking(self.bell, False)
        self.ringing = threading.RLock()  # so that nobody writes to a file that has its number next
        self.selector.register(self.ear, _READABLE)
        self.watched: set[int] = set()
        self.timer: float | None = None  # when libcurl wants to be called, by the monotonic clock
        self.running: dict[Any, tuple[Hashable, Exchange]] = {}
        self.spare: list[Exchange] = []

    def __len__(self) -> int:
        return len(self.running)

    def start(self, tag: Hashable, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send `body` as JSON; `wait` gives `tag` back with what came of it."""
        assert_no_transaction()
        crashpoint("callback post before")
        exchange = self.spare.pop() if self.spare else Exchange()
        exchange.begin(url, headers, body)
        self.running[exchange.curl] = (tag, exchange)
        self.multi.add_handle(exchange.curl)

    def wait(self, seconds: float) -> list[tuple[Any, Result]]:
        """What has ended, at the latest after `seconds`; earlier when something has, or `wake`."""
        if self.timer is not None:
            seconds = min(seconds, max(0.0, self.timer - time.monotonic()))
        for key, events in self.selector.select(seconds):
            if key.fd == self.ear:
                self._hear()
            else:
                self._act(key.fd, events)
        if self.timer is not None and self.timer <= time.monotonic():
            self.timer = None
            self.multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return self._ended()

    def wake(self) -> None:
        with self.ringing, suppress(OSError):  # a full buffer has woken it already
            os.write(self.bell, b"\0")

    def close(self) -> None:
        """Breaks off what is under way."""
        for curl in self.running:
            self.multi.remove_handle(curl)
        self.running.clear()
        self.spare.clear()
        self.multi.close()
        self.selector.close()
        with self.ringing:
            os.close(self.bell)
            self.bell = -1
        os.close(self.ear)

    def _hear(self) -> None:
        with suppress(OSError):
            while os.read(self.ear, 4096):
                pass

    def _act(self, fd: int, events: int) -> None:
        bits = (pycurl.CSELECT_IN if events & _READABLE else 0) | (
            pycurl.CSELECT_OUT if events & _WRITABLE else 0
        )
        self.multi.socket_action(fd, bits)

    def _ended(self) -> list[tuple[Any, Result]]:
        ended = []
        while True:
            left, well, badly = self.multi.info_read()
            ended += [self._end(curl, None) for curl in well]
            ended += [self._end(curl, (number, words)) for curl, number, words in badly]
            if not left:
                return ended

    def _end(self, curl: Any, failure: Failure | None) -> tuple[Any, Result]:
        tag, exchange = self.running.pop(curl)
        self.multi.remove_handle(curl)
        result = exchange.result(failure)
        self.spare.append(exchange)
        crashpoint("callback post after")
        return tag, result

    def _on_socket(self, what: int, fd: int, *_: Any) -> None:
        """libcurl says which sockets it wants to be told about."""
        if what == pycurl.POLL_REMOVE:
            if fd in self.watched:
                self.watched.remove(fd)
                self.selector.unregister(fd)
        elif fd in self.watched:
            self.selector.modify(fd, _WATCH[what])
        else:
            self.watched.add(fd)
            self.selector.register(fd, _WATCH[what])

    def _on_timer(self, milliseconds: int) -> None:
        ours = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
        self.timer = ours
