"""Callback tasks. `deliver` is a call to this process's engine, which claims for itself; `tend`
looks after one endpoint whose lane may hold something.
"""

import resource
import threading

from celery.signals import worker_init, worker_shutting_down

from gateway.callbacks import lanes
from gateway.callbacks.models import Endpoint
from gateway.kernel.db import lock, now, transaction
from gateway.kernel.due import claim, is_ours, settle
from workers.app import task
from workers.engine import Engine

DELIVER, TEND = "callbacks.deliver", "callbacks.tend"
# While one waits for the database, the other minds its transfers.
ENGINES = 2
# A callback in flight has a socket and so has a kept connection; many systems begin with 1,024.
OPEN_FILES = 8192


class Pump:
    """The engines of this process, kept with their connections. A task that calls runs a free one;
    when all run already, they have heard.
    """

    def __init__(self) -> None:
        self.called = threading.Event()
        self.stopped = threading.Event()
        self.turn = threading.RLock()  # a signal may come while this thread has it
        self.free: list[Engine] = []
        self.running: list[Engine] = []

    def run(self) -> None:
        """Until nothing is due that others do not see to."""
        self.called.set()
        while self.called.is_set() and (engine := self._start()):
            try:
                engine.run()
            except BaseException:
                self._end(engine)
                engine.close()
                raise
            self._end(engine)
            self.free.append(engine)

    def _start(self) -> Engine | None:
        with self.turn:
            if len(self.running) >= ENGINES:
                for engine in self.running:
                    engine.transfers.wake()
                return None
            engine = self.free.pop() if self.free else Engine(self.called, self.stopped)
            self.running.append(engine)
            return engine

    def _end(self, engine: Engine) -> None:
        with self.turn:
            self.running.remove(engine)

    def stop(self) -> None:
        """Take nothing more; what is on its way ends, in seconds."""
        self.stopped.set()
        with self.turn:
            for engine in self.running:
                engine.transfers.wake()


pump = Pump()


@task(DELIVER)
def deliver(_: str) -> None:
    """The hint says that something is due, not what: the engine takes the longest due first."""
    pump.run()


@task(TEND)
def tend(endpoint_id: str) -> None:
    with transaction(actor=f"task:{TEND}") as tx:
        claimed = claim(tx, Endpoint, endpoint_id)
    if claimed is None:
        return
    with transaction(actor=f"task:{TEND}") as tx:
        endpoint = lock(tx, Endpoint, endpoint_id)
        if is_ours(endpoint, claimed):
            at = lanes.tend(tx, endpoint)
            due_in = None if at is None else (at - now(tx)).total_seconds()
            settle(tx, endpoint, claimed, due_in=due_in)


@worker_init.connect
def _raise_limit(**_: object) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    pump.stop()
