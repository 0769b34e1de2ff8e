"""Carries out the schedule: kills, pauses, arms and troubles, and ends what was to last.

Waits for a victim only until it has had a moment to work since it last died; nobody else may touch
the processes meanwhile.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg2  # type: ignore[import-untyped]
import redis
import requests

from gateway.dev.torture.armed import DIE, SLEEP, STRUCK
from gateway.dev.torture.ground import Ground
from gateway.dev.torture.schedule import PROCESSES, SERVERS, Fault

# Of all calls of Stripe, in the whole run; bursts come on top.
BASE_RATES: dict[str, float] = {
    "error_before": 0.02,
    "error_after": 0.01,
    "timeout_after": 0.03,
    "drop_webhooks": 0.02,
    "duplicate_webhooks": 0.05,
    "reorder_webhooks": 0.05,
}
NO_RATES: dict[str, float] = dict.fromkeys(BASE_RATES, 0.0) | {
    "delay_webhooks_s": 0.0,
    "latency_ms": 0.0,
}
LEASE_SECONDS = 61
AWAY = (OSError, requests.RequestException, redis.RedisError, psycopg2.Error)
# Seconds of life that each is owed after a death: to start, and to do something.
RECOVERY = {"web": 4.0, "postgres": 2.0, "redis": 1.5, "sandbox": 2.5, "relay": 3.0, "beat": 3.0}
USUAL_RECOVERY = 4.5
LONGEST_WAIT = 8.0


class Faults:
    """Runs in a thread from `start`; `done` counts, `last` names the one that came last."""

    def __init__(self, ground: Ground, faults: list[Fault], seed: int) -> None:
        self.ground, self.faults, self.seed = ground, faults, seed
        self.done, self.last = 0, ""
        self.by_kind: Counter[str] = Counter()
        self.armed: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.missed: list[str] = []
        self.over = threading.Event()
        self.behind: Callable[[], bool] = lambda: False  # whether the load must catch up first
        self._stop = threading.Event()
        self._hit: dict[str, float] = {}  # when each last died or was stopped
        self._sleepy: dict[str, Fault] = {}  # who is to fall asleep
        self._ends: list[threading.Timer] = []
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)

    def start(self) -> None:
        self.stripe_rates(BASE_RATES | {"seed": self.seed})
        self._thread.start()

    def stop(self) -> None:
        """No more faults, and the end of all that last."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.calm()

    def abandon(self) -> None:
        """As `stop`, for a run that is given up: only nobody is left asleep."""
        self._stop.set()
        self.collect()
        self._end_what_lasts()

    def progress(self) -> float:
        return self.done / len(self.faults) if self.faults else 1.0

    def _run(self) -> None:
        for fault in self.faults:
            self._wait(fault.delay)
            self._let_catch_up()
            if self._stop.is_set():
                break
            self._wait_for(fault.victim)
            self.last = str(fault)
            try:
                getattr(self, f"_{fault.kind}")(fault)
                self.by_kind[fault.kind] += 1
            except AWAY as error:
                # Its victim was away: that was a fault, too.
                self.missed.append(f"{fault}: {error}"[:200])
            self.done += 1
        self.over.set()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            self.collect()
            self._stop.wait(min(left, 0.1))

    def _let_catch_up(self) -> None:
        deadline = time.monotonic() + LONGEST_WAIT
        while self.behind() and time.monotonic() < deadline and not self._stop.is_set():
            self._wait(0.2)

    def _wait_for(self, victim: str) -> None:
        """Until it lives, and has had its time since it died."""
        if victim not in PROCESSES + SERVERS:
            return
        deadline = time.monotonic() + LONGEST_WAIT
        owed = self._hit.get(victim, 0.0) + RECOVERY.get(victim, USUAL_RECOVERY)
        while time.monotonic() < deadline and not self._stop.is_set():
            if self.ground.supervisor.pid(victim) and time.monotonic() > owed:
                return
            self._wait(0.1)

    def calm(self) -> None:
        """Nothing lasts any longer, and nobody is armed."""
        for order in self.ground.crashes.glob("*"):
            if not order.name.endswith(STRUCK):
                order.unlink(missing_ok=True)
        self.collect()
        self._end_what_lasts()
        self.ground.network.calm()
        self.stripe_rates(NO_RATES)

    def _end_what_lasts(self) -> None:
        for timer in self._ends:
            if timer.is_alive():
                timer.cancel()
                timer.function()
            timer.join()

    # Each kind.

    def _signal(self, victim: str, number: int) -> int:
        pid = self.ground.supervisor.pid(victim)
        if pid is None:
            raise ProcessLookupError(f"{victim} is down already")
        os.kill(pid, number)
        return pid

    def _kill(self, fault: Fault) -> None:
        self._signal(fault.victim, signal.SIGKILL)
        self._hit[fault.victim] = time.monotonic()

    def _term(self, fault: Fault) -> None:
        self._signal(fault.victim, signal.SIGTERM)
        self._hit[fault.victim] = time.monotonic()

    def _pause(self, fault: Fault) -> None:
        pid = self._signal(fault.victim, signal.SIGSTOP)
        self._later(fault.seconds, lambda: os.kill(pid, signal.SIGCONT))

    def _crash(self, fault: Fault) -> None:
        self._order(fault, DIE)

    def _sleep(self, fault: Fault) -> None:
        self._order(fault, SLEEP)
        self._sleepy[fault.victim] = fault

    def _order(self, fault: Fault, what: str) -> None:
        self.collect()
        new = self.ground.crashes / f"{fault.victim}.new"
        new.write_text(f"{fault.how['point']}\n{fault.how['passes']}\n{what}", encoding="utf-8")
        new.rename(self.ground.crashes / fault.victim)
        self.armed[fault.how["point"]] += 1

    def collect(self) -> None:
        """Count the crash points that have struck, and see to those who sleep at one."""
        for note in self.ground.crashes.glob(f"*{STRUCK}"):
            point, _, what = note.read_text(encoding="utf-8").split("\n")
            victim = note.name.removesuffix(STRUCK)
            note.unlink()
            self.struck[point] += 1
            self._hit[victim] = time.monotonic()
            if what == SLEEP:
                self._asleep(self._sleepy[victim])

    def _asleep(self, fault: Fault) -> None:
        pid = self.ground.supervisor.pid(fault.victim)
        if pid is not None:
            self._later(fault.seconds, lambda: _wake(pid))
        if fault.how["outlasts"] == "claim":
            with suppress(*AWAY):
                self.ground.advance(LEASE_SECONDS)

    def _network(self, fault: Fault) -> None:
        self.ground.network.trouble(fault.victim, fault.how["trouble"])
        self._later(fault.seconds, lambda: self.ground.network.trouble(fault.victim, "none"))

    def _stripe(self, fault: Fault) -> None:
        self.stripe_rates(fault.how)
        usual = {name: BASE_RATES.get(name, 0.0) for name in fault.how}
        self._later(fault.seconds, lambda: self.stripe_rates(usual))

    def _flush(self, _: Fault) -> None:
        with redis.Redis.from_url(self.ground.redis_url, socket_timeout=2) as client:
            client.flushall()

    def _clock(self, _: Fault) -> None:
        self.ground.advance(LEASE_SECONDS)

    def _later(self, seconds: float, end: Callable[[], None]) -> None:
        """By a thread of its own: nobody's end may have to wait until another victim answers."""

        def run() -> None:
            with suppress(OSError, requests.RequestException):
                end()

        timer = threading.Timer(seconds, run)
        timer.daemon = True
        timer.start()
        self._ends.append(timer)

    def stripe_rates(self, rates: dict[str, Any]) -> None:
        """Again until the sandbox hears it: it may be down for a moment."""
        url = f"{self.ground.sandbox}/_sandbox/faults"
        for _ in range(20):
            with suppress(requests.RequestException):
                requests.put(url, json=rates, timeout=5).raise_for_status()
                return
            time.sleep(0.3)


def _wake(pid: int) -> None:
    """Twice, for who was about to fall asleep."""
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.2)
    os.kill(pid, signal.SIGCONT)
