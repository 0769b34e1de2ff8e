"""Runs the sandbox: one process, one port, threads that deliver webhooks and watch the clock.

Everything that matters is in the store, so it may be killed at any moment.
"""

import signal
import threading
from pathlib import Path
from types import FrameType

from werkzeug.serving import BaseWSGIServer

from gateway.dev.sandbox import due, http
from gateway.dev.sandbox.app import create_app
from gateway.dev.sandbox.clock import Clock, GatewayClock, LocalClock
from gateway.dev.sandbox.context import Sandbox
from gateway.dev.sandbox.faults import Faults
from gateway.dev.sandbox.store import Store
from gateway.dev.sandbox.webhooks import Deliverer

_SWEEP_EVERY_S = 1.0


def serve(
    *,
    host: str,
    port: int,
    database: Path,
    webhook_url: str | None,
    webhook_secret: str,
    clock_url: str | None,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    database.parent.mkdir(parents=True, exist_ok=True)
    store = Store(database)
    clock: Clock = GatewayClock(clock_url) if clock_url else LocalClock(store)
    reachable = "127.0.0.1" if host == "0.0.0.0" else host
    sandbox = Sandbox(
        store=store,
        clock=clock,
        faults=Faults(store),
        base_url=f"http://{reachable}:{port}",
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
    )
    server = http.listen(host, port, create_app(sandbox))
    stopped = threading.Event()
    _stop_on_signals(server, stopped)
    if webhook_url:
        Deliverer(sandbox, webhook_url).start()
    threading.Thread(target=_sweep, args=(sandbox, stopped), daemon=True).start()
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        stopped.set()
        server.server_close()


def _stop_on_signals(server: BaseWSGIServer, stopped: threading.Event) -> None:
    def stop(_: int, __: FrameType | None) -> None:
        stopped.set()
        # shutdown() waits for the loop, which this very thread is running.
        threading.Thread(target=server.shutdown, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _sweep(sandbox: Sandbox, stopped: threading.Event) -> None:
    """Let the clock have its way even when nobody looks."""
    while not stopped.wait(_SWEEP_EVERY_S):
        with sandbox.work() as work:
            due.settle_due(work)
