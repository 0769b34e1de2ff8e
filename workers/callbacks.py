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
from gateway.kernel.logs import get_logger
from workers.app import task
from workers.engine import MOST, Engine

DELIVER, TEND = "callbacks.deliver", "callbacks.tend"
# A callback in flight has a socket and so has a kept connection; many systems begin with 1,024.
OPEN_FILES, OTHER_FILES = 8192, 100
# In a worker the engine looks for itself for a while longer than the relay waits between calls, so
# that steady work costs no messages.
LINGER_SECONDS = 2.0

log = get_logger(__name__)


class Pump:
    """This process's engine, run by the first task that calls, and kept with its connections."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.stopped = threading.Event()
        self.turn = threading.Lock()
        self.engine: Engine | None = None
        self.linger, self.most = 0.0, MOST

    def run(self) -> None:
        """Until nothing is due. Returns at once if another thread is at it: it has heard."""
        self.called.set()
        self._wake()
        while self.called.is_set() and self.turn.acquire(blocking=False):
            try:
                self._run()
            finally:
                self.turn.release()

    def _run(self) -> None:
        engine = self.engine = self.engine or Engine(self.called, self.stopped, self.most)
        try:
            engine.run(linger=self.linger)
        except BaseException:
            self.engine = None
            engine.close()
            raise

    def stop(self) -> None:
        """Take nothing more; what is on its way ends, in seconds."""
        self.stopped.set()
        self._wake()

    def _wake(self) -> None:
        if engine := self.engine:
            engine.transfers.wake()


pump = Pump()


@task(DELIVER, acks_late=False)
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
def _prepare(**_: object) -> None:
    pump.linger = LINGER_SECONDS
    pump.most = min(MOST, (_open_files() - OTHER_FILES) // 2)
    if pump.most < MOST:
        log.warning("few open files", callbacks_in_flight=pump.most, wanted=OPEN_FILES)


def _open_files() -> int:
    """How many this process may have, after a try to have enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return OPEN_FILES
    if soft < OPEN_FILES:
        soft = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    pump.stop()
