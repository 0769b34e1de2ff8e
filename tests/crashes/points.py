"""The hook behind the crash points: counts those passed and makes trouble at the chosen ones.

Trouble is a crash, or anything else that may happen while a process stands still at that place.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from gateway.kernel import db
from gateway.kernel.crashpoints import Crash

# Our own looking, and threads that mind the clock on the wall.
NOT_SWEPT = ("test:", "api:last-used")

Trouble = Callable[[str], None]


def crash(name: str) -> None:
    raise Crash(name)


class Points:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.outside: set[int] = set()  # those passed outside any transaction
        self.at: frozenset[int] = frozenset()
        self.owed = 0
        self.trouble: Trouble = crash
        self.between: Trouble | None = None
        self.muted = True

    def __call__(self, name: str) -> None:
        if self.muted or name.startswith(NOT_SWEPT):
            return
        self.seen.append(name)
        if not db._inside.get():
            self.outside.add(len(self.seen))
        self.owed += len(self.seen) in self.at
        # Time may have led another way than before; nothing but a crash can be in a transaction.
        if self.owed and (self.trouble is crash or not db._inside.get()):
            self.owed -= 1
            self.trouble(name)
        elif self.between is not None and not db._inside.get():
            with self.mute():
                self.between(name)

    def start(self, at: Iterable[int], trouble: Trouble) -> None:
        self.seen, self.outside, self.at = [], set(), frozenset(at)
        self.owed, self.trouble, self.muted = 0, trouble, False

    def stop(self) -> list[str]:
        self.muted, self.between = True, None
        return self.seen

    @contextmanager
    def mute(self) -> Iterator[None]:
        before, self.muted = self.muted, True
        try:
            yield
        finally:
            self.muted = before
