"""The lines that the gateway's processes talk over, each of which can be troubled by itself.

They run in a process of their own, so that they do not wait for the load's turn.
"""

import json
import subprocess
import sys
import threading
from typing import Self

from gateway.dev.places import ROOT


class Network:
    """Open from `with` to its end; `line` makes one, `trouble` troubles it, `calm` ends it all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.dev.torture.proxy"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is ours to hear; it ends with its standard input
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def line(self, name: str, upstream: str) -> int:
        """A new line to a unix socket's path or to host:port; the port where it begins."""
        self._names.append(name)
        return self._order(name=name, upstream=upstream)

    def trouble(self, name: str, trouble: str) -> None:
        self._order(name=name, trouble=trouble)

    def calm(self) -> None:
        for name in self._names:
            self.trouble(name, "none")

    def _order(self, **order: str) -> int:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            print(json.dumps(order), file=self._process.stdin, flush=True)
            return int(self._process.stdout.readline())
