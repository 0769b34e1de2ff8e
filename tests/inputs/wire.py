"""Bytes to a server as they are, past every library that would mend them."""

import json
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.dev.seed import KEY, SECRET

OWN = f"X-Api-Key: {KEY}\r\nX-Api-Secret: {SECRET}\r\n".encode()
JSON = b"Content-Type: application/json\r\n"


@dataclass(frozen=True)
class Wired:
    """What came back: 0 when the server hung up without a word."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    port: int
    log: Path

    def send(self, *parts: bytes, hang_up: bool = False) -> Wired:
        """Send what there is, read until the server closes. Raises TimeoutError when it hangs."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            writer = threading.Thread(target=_write, args=(line, parts, hang_up), daemon=True)
            writer.start()
            answer = _read(line)
        writer.join(5)
        return answer

    def ask(self, method: str, path: str, headers: bytes = OWN, body: bytes = b"") -> Wired:
        return self.send(request(method, path.encode("latin-1"), headers, body))


def request(method: str, path: bytes, headers: bytes = OWN, body: bytes = b"") -> bytes:
    """A whole request; it says how long its body is unless the headers do."""
    if body and b"content-length" not in headers.lower() and b"chunked" not in headers.lower():
        headers += b"Content-Length: %d\r\n" % len(body)
    first = method.encode("latin-1") + b" " + path + b" HTTP/1.1\r\nHost: gateway.example\r\n"
    return first + b"Connection: close\r\n" + headers + b"\r\n" + body


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def _write(line: socket.socket, parts: Iterable[bytes], hang_up: bool) -> None:
    try:
        for part in parts:
            line.sendall(part)
        if hang_up:
            line.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the server has heard enough


def _read(line: socket.socket) -> Wired:
    answer = b""
    try:
        while part := line.recv(65536):
            answer += part
    except ConnectionError:
        pass
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head:
        return Wired(0, {}, b"")
    first, *lines = head.decode("latin-1").split("\r\n")
    named = (each.partition(": ") for each in lines)
    return Wired(int(first.split()[1]), {name.lower(): value for name, _, value in named}, body)
