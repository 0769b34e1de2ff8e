"""The HTTP side of the server: werkzeug's, but keeping connections open as Stripe does.

Werkzeug closes after every answer because it cannot know that a request was read to its end. Here
the application always reads it, and every answer has a length, so the next request can follow.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_IDLE_S = 75  # Then a kept connection gives its thread back.
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
log = logging.getLogger(__name__)


def listen(host: str, port: int, app: "WSGIApplication") -> BaseWSGIServer:
    return make_server(host, port, app, threaded=True, request_handler=_Handler)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # Else each answer on a kept connection waits for an ACK.
    wbufsize = -1  # Headers and body leave together.
    timeout = _IDLE_S

    def run_wsgi(self) -> None:
        self.environ = environ = self.make_environ()
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
        ) -> Callable[[bytes], object]:
            started.append((status, headers))
            return _no_writing

        body = _collect(self.server.app(environ, start_response))
        status, headers = started[-1]
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def finish(self) -> None:
        with suppress(OSError):  # the other side has gone, or a fault has closed the connection
            super().finish()

    def log(self, type: str, message: str, *args: Any) -> None:
        log.debug(message, *args)


def _no_writing(_: bytes) -> None:
    raise RuntimeError("the sandbox answers with whole bodies only")


def _collect(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
