"""The Celery application, and the one way to declare a task.

The broker carries hints only: a task's first act is to claim its row, so a lost message delays
work by a pass of the relay and a repeated one does nothing. No eta, no countdown, no retries and
no results here: time and outcomes live in the database.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_ready, worker_shutting_down
from sqlalchemy.exc import OperationalError, SQLAlchemyError

import celerybeat_schedule
from gateway.kernel import logs
from gateway.kernel.db import refuse_wrong_role, transaction
from gateway.kernel.heartbeats import EVERY_SECONDS, Pulse, beat
from gateway.settings import settings

QUEUES = ("stripe", "callbacks", "clock")

log = logs.get_logger(__name__)

app = Celery("gateway")
app.conf.update(
    broker_url=settings().broker_url,
    include=[
        "workers.payments",
        "workers.movements",
        "workers.callbacks",
        "workers.clock",
        "workers.orders",
    ],
    # Safe because the first statement of each task is the claim of its row.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_publish_retry=False,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="clock",
    task_routes={
        "payments.*": {"queue": "stripe"},
        "captures.*": {"queue": "stripe"},
        "refunds.*": {"queue": "stripe"},
        "callbacks.*": {"queue": "callbacks"},
        "clock.*": {"queue": "clock"},
        "orders.*": {"queue": "clock"},
    },
    worker_prefetch_multiplier=1,
    worker_eta_task_limit=100,  # a tripwire: nothing here uses eta
    worker_hijack_root_logger=False,
    worker_soft_shutdown_timeout=20.0,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # Without these a Redis that hangs makes publishing hang for ever. The visibility timeout is
    # only for messages of dead workers; their rows come back sooner, when the lease ends.
    broker_transport_options={
        "visibility_timeout": 180,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 2,
        "socket_connect_timeout": 1,
        "socket_keepalive": True,
        "health_check_interval": 10,
        # Publishing gives up soon: the relay's next pass tries again anyway.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.2,
        "interval_max": 0.2,
    },
    beat_schedule=celerybeat_schedule.SCHEDULE,
    beat_max_loop_interval=2,
    redbeat_redis_url=settings().redis_url,
    # Short, so that a beat that was killed is followed by another within seconds.
    redbeat_lock_timeout=10,
    redbeat_redis_options={"socket_timeout": 2, "socket_connect_timeout": 1},
    timezone="UTC",
    worker_proc_alive_timeout=30.0,
)

Task = Callable[[str], None]


def task(name: str, *, acks_late: bool = True) -> Callable[[Task], Any]:
    """Declare a task that takes one id. What it raises is logged; its row's lease runs out and
    it is claimed again, so there is nothing to lose.

    Without `acks_late` the broker forgets the message as the task begins: for one that runs as
    long as there is work, and is called again in a second.
    """

    def declare(work: Task) -> Any:
        def run(subject: str) -> None:
            logs.bind(actor=f"task:{name}", subject=subject)
            began = time.monotonic()
            try:
                work(subject)
            except OperationalError as error:  # its row's lease runs out, and it is claimed again
                log.warning("database unavailable", error=str(error).split("\n")[0])
            except Exception as error:
                log.error("task failed", exc_info=error)
            else:
                log.info("task", ms=round((time.monotonic() - began) * 1000, 1))

        return app.task(name=name, acks_late=acks_late)(run)

    return declare


@setup_logging.connect
def _logging(**_: Any) -> None:
    logs.configure(os.environ.get("GATEWAY_PROCESS", "celery"))


class _Pulse(threading.Thread):
    """Says every two seconds that this worker lives, and how much it can hold."""

    def __init__(self, queues: list[str], slots: int) -> None:
        super().__init__(daemon=True, name="heartbeat")
        self.queues = queues
        self.slots = slots
        self.stopped = threading.Event()

    def run(self) -> None:
        name = f"{socket.gethostname()}:{os.getpid()}"
        while not self.stopped.wait(EVERY_SECONDS):
            self.say(name, self.slots)

    def say(self, name: str, slots: int) -> None:
        try:
            with transaction(actor="task:heartbeat") as tx:
                pulses = (
                    Pulse(f"{name}:{queue}", "worker", queue=queue, slots=slots)
                    for queue in self.queues
                )
                beat(tx, *pulses)
        except SQLAlchemyError as error:
            log.warning("heartbeat failed", error=str(error).split("\n")[0])


_pulse: _Pulse | None = None


@worker_init.connect
def _check(**_: Any) -> None:
    refuse_wrong_role()


@worker_ready.connect
def _ready(sender: Any, **_: Any) -> None:
    global _pulse
    queues = [str(queue) for queue in sender.app.amqp.queues.consume_from]
    _pulse = _Pulse(queues, int(sender.controller.concurrency))
    _pulse.say(f"{socket.gethostname()}:{os.getpid()}", _pulse.slots)
    _pulse.start()


@worker_shutting_down.connect
def _stopping(**_: Any) -> None:
    """A worker that is stopping takes no more hints."""
    if _pulse is not None:
        _pulse.stopped.set()
        _pulse.say(f"{socket.gethostname()}:{os.getpid()}", 0)
