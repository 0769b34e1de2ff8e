"""Runs the shop: one process, one port, one thread that registers its webhook endpoint.

It logs no requests, so it never writes down what a callback or a form contained.
"""

import signal
import threading
from types import FrameType
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from gateway.dev.store.endpoint import Registration


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def serve(app: Flask, *, port: int, registration: Registration) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Quiet)
    stopped = threading.Event()
    _stop_on_signals(server, stopped)
    threading.Thread(target=registration.run, args=(stopped,), daemon=True).start()
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
