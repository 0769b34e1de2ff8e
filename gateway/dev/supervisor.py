"""Runs named processes: starts them in order, restarts what dies, and leaves nothing behind.

Knows nothing of what it runs, and lets nothing outlive it, not even after `kill -9`: see `outlive`.
"""

import json
import os
import pwd
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen
from typing import Any, Self, TextIO

Tell = Callable[[str, str], None]  # the name of a process, and what happened to it

POLL_SECONDS = 0.1
FIRST_DELAY, LONGEST_DELAY = 0.2, 2.0
SETTLED_SECONDS = 5.0  # alive for so long: the next death is a new story, not a crash loop
LOG_LIMIT = 10_000_000
ORPHAN_SECONDS = 3.0  # to end in, for processes whose supervisor was killed


@dataclass(frozen=True, kw_only=True)
class Process:
    """One program to keep running."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None  # None: ours
    cwd: Path | None = None
    user: str | None = None  # only root may choose
    before: Callable[[], None] | None = None  # called ahead of each start
    ready: Callable[[], bool] | None = None  # to answer within a second; None: as it runs
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    after: tuple[str, ...] = ()  # starts when these are ready, and is stopped before them


def as_user(user: str | None) -> dict[str, Any]:
    """What `subprocess` needs to run something as `user`, without any of root's groups."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


class _Child:
    """A process and what has become of it."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process, self.log = process, log
        self.popen: Popen[bytes] | None = None
        self.pid = 0  # of the last start
        self.ready = False
        self.exit_code: int | None = None
        self.started_at = self.start_at = self.delay = 0.0

    def start(self) -> None:
        """Run it in a session, and so a process group, of its own."""
        self.started_at = time.monotonic()
        if self.process.before:
            self.process.before()
        it = self.process
        with self._open_log() as log:
            streams: dict[str, Any] = {"stdin": DEVNULL, "stdout": log, "stderr": STDOUT}
            place: dict[str, Any] = {"env": it.env, "cwd": it.cwd, **as_user(it.user)}
            self.popen = Popen(it.command, start_new_session=True, **streams, **place)
        self.pid = self.popen.pid

    def _open_log(self) -> TextIO:
        log = self.log.open("a", encoding="utf-8")
        if log.tell() > LOG_LIMIT:
            log.truncate(0)
        print(f"--- {datetime.now(UTC):%F %T} starting {self.process.name}", file=log, flush=True)
        return log

    def exited(self) -> bool:
        """Dead, but not yet reaped: until `bury`, its pid, the group's id, stays taken."""
        if self.popen and not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self.popen.poll() is not None
        with suppress(ChildProcessError):  # SIGCHLD is ignored here: the kernel has reaped it
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return True

    def bury(self) -> None:
        """Kill what is left of the group: a grandchild may still hold the port."""
        if self.popen:
            _send(os.killpg, self.pid, signal.SIGKILL)
            self.exit_code = self.popen.wait()
        self.popen, self.ready = None, False

    def died(self, reason: str, on_event: Tell) -> None:
        on_event(self.process.name, f"died ({reason}), restarting")
        now = time.monotonic()
        again = self.delay > 0 and now - self.started_at < SETTLED_SECONDS
        self.delay = min(self.delay * 2, LONGEST_DELAY) if again else FIRST_DELAY
        self.start_at = now + self.delay

    def story(self) -> str:
        """How it stands, and the end of its log."""
        state = "runs" if self.popen else f"exited with {self.exit_code}"
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        end = "\n".join(text.splitlines()[-20:])
        return f"{self.process.name} {state}. The end of {self.log}:\n{end}"


class Supervisor:
    """Keeps processes running from `start` to `stop`, or for a `with` block; once.

    A background thread watches; Ctrl-C and TERM arrive in the main thread, as KeyboardInterrupt.
    The folders in `scratch` are removed at the end, whatever the end is.
    """

    def __init__(
        self,
        processes: Iterable[Process],
        logs: Path,
        *,
        on_event: Tell = lambda _name, _text: None,
        scratch: Sequence[Path] = (),
    ) -> None:
        self._logs, self._on_event, self._scratch = logs, on_event, scratch
        self._children: dict[str, _Child] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._watchdog: Popen[str] | None = None
        self._told = ""
        self._handlers: dict[int, Any] = {}
        self.add(*processes)

    def add(self, *processes: Process) -> None:
        """Take in more processes, at any time; each starts when those it names are ready."""
        with self._lock:
            for process in processes:
                if {process.name} & {*self._children} or {*process.after} - {*self._children}:
                    raise ValueError(f"{process.name} is there already, or follows the unknown.")
                self._children[process.name] = _Child(process, self._logs / f"{process.name}.log")

    def start(self) -> Self:
        """Start everything, in order, and watch it in the background."""
        self._logs.mkdir(parents=True, exist_ok=True)
        if threading.current_thread() is threading.main_thread():
            ends, catch = (signal.SIGINT, signal.SIGTERM), signal.default_int_handler
            self._handlers = {number: signal.signal(number, catch) for number in ends}
        self._brief_watchdog()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()
        return self

    __enter__ = start

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def wait_ready(self, timeout: float, names: Iterable[str] | None = None) -> None:
        """Return when all (or `names`) are ready; a TimeoutError tells of the one that is not."""
        wanted = [self._children[name] for name in names or list(self._children)]
        deadline = time.monotonic() + timeout
        while slow := [child for child in wanted if not child.ready]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Not ready after {timeout:g} s: {slow[0].story()}")
            time.sleep(POLL_SECONDS / 2)

    def pid(self, name: str) -> int | None:
        return popen.pid if (popen := self._children[name].popen) else None

    def run_forever(self) -> None:
        """Sleep until Ctrl-C or TERM, then stop. Main thread only."""
        try:
            while True:
                time.sleep(1)  # not signal.pause(): a signal just before it would be missed
        except KeyboardInterrupt:
            self._on_event("supervisor", "stopping")
        finally:
            self.stop()

    def stop(self) -> None:
        """End every process, those that need others first. A second Ctrl-C kills at once."""
        self._closing.set()
        try:
            if self._thread:
                self._thread.join()
            self._stop_in_order()
        except KeyboardInterrupt:
            self._on_event("supervisor", "interrupted again, killing what is left")
        finally:
            with self._lock:
                for child in self._children.values():
                    child.bury()
            if self._watchdog:
                self._brief_watchdog()
                self._watchdog.communicate()  # closes the pipe: with nothing left, clears scratch
                self._watchdog = None
            while self._handlers:
                signal.signal(*self._handlers.popitem())

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                self._look_around()
            except Exception:  # the outermost loop: everything hangs on this thread
                self._on_event("supervisor", traceback.format_exc())
            self._closing.wait(POLL_SECONDS)

    def _look_around(self) -> None:
        with self._lock:
            for child in self._children.values():
                if child.popen is None:
                    self._start_when_due(child)
                elif child.exited():
                    child.bury()
                    child.died(f"exit {child.exit_code}", self._on_event)
                elif not child.ready and _is_ready(child.process):
                    child.ready = True
                    self._on_event(child.process.name, "is ready")
                self._brief_watchdog()

    def _start_when_due(self, child: _Child) -> None:
        waits = not all(self._children[name].ready for name in child.process.after)
        if waits or time.monotonic() < child.start_at:
            return
        try:
            child.start()
        except OSError as error:
            child.died(str(error), self._on_event)

    def _stop_in_order(self) -> None:
        """Signal leaders only: a Celery pool or a granian worker ends best by its parent's hand."""
        left = [child for child in self._children.values() if child.popen]
        deadlines: dict[_Child, float] = {}
        while left:
            needed = {name for child in left for name in child.process.after}
            for child in left:
                if child not in deadlines and child.process.name not in needed:
                    deadlines[child] = time.monotonic() + child.process.stop_seconds
                    _send(os.kill, child.pid, child.process.stop_signal)
            for child in [c for c in deadlines if c in left]:
                if child.exited() or time.monotonic() > deadlines[child]:
                    child.bury()
                    left.remove(child)
            time.sleep(POLL_SECONDS / 5)

    def _brief_watchdog(self) -> None:
        """Tell it, whenever that changes, what to kill and to remove if we are gone."""
        if self._watchdog is None or self._watchdog.poll() is not None:
            self._watchdog = Popen(
                [sys.executable, "-I", __file__], stdin=PIPE, text=True, start_new_session=True
            )
            self._told = ""
        running = [(c.pid, c.process.stop_signal) for c in self._children.values() if c.popen]
        brief = json.dumps([running, [str(path) for path in self._scratch]])
        if brief != self._told and self._watchdog.stdin:
            with suppress(BrokenPipeError):  # it has just died: the next look starts another
                print(brief, file=self._watchdog.stdin, flush=True)
            self._told = brief


def _is_ready(process: Process) -> bool:
    with suppress(OSError):  # nobody listens yet
        return process.ready is None or process.ready()
    return False


def _send(kill: Callable[[int, int], None], pid: int, number: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):  # macOS: the latter for the dead
        kill(pid, number)
        return True
    return False  # nobody was there


def outlive(supervisor: TextIO) -> None:
    """The watchdog: read briefs until the pipe closes, then end what the last one names.

    PR_SET_PDEATHSIG is Linux's alone, misses grandchildren and needs Python code after the fork.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    whole = [line for line in supervisor if line.endswith("\n")]
    groups, scratch = json.loads(whole[-1]) if whole else ([], [])
    left = [leader for leader, number in groups if _send(os.kill, leader, number)]
    deadline = time.monotonic() + ORPHAN_SECONDS
    while time.monotonic() < deadline and any(_send(os.kill, leader, 0) for leader in left):
        time.sleep(POLL_SECONDS)
    for leader, _ in groups:
        _send(os.killpg, leader, signal.SIGKILL)
    for path in scratch:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    outlive(sys.stdin)
