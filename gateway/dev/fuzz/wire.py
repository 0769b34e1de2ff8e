"""One request as bytes, one answer as it came: nothing between mends what is sent."""

import socket
from dataclasses import dataclass, field

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Sent:
    """A request, and what is known of it.

    What is `sound` as a message must be answered; what is `cut` promises more than it holds.
    """

    raw: bytes
    method: str = "GET"
    sound: bool = True
    cut: bool = False

    def __str__(self) -> str:
        shown = repr(self.raw) if len(self.raw) <= 1500 else f"{self.raw[:1500]!r}..."
        return f"{len(self.raw)} bytes: {shown}"


@dataclass(frozen=True)
class Answer:
    """Status 0: the server closed the connection without a word."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hung: bool = False


def request(
    method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes = b""
) -> bytes:
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method.encode("latin-1"), target, lines, body)


def send(port: int, sent: Sent) -> Answer:
    """Send all of it and read until the server closes."""
    answer, hung = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as line:
        try:
            line.sendall(sent.raw)
            if sent.cut:
                line.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has heard enough, and may have said why
        try:
            while part := line.recv(65536):
                answer += part
        except TimeoutError:
            hung = True
        except OSError:
            pass
    return read(answer, hung=hung)


def read(raw: bytes, *, hung: bool = False) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 1"):  # 100 Continue
        head, _, body = body.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) < 2 or not words[1].isdigit():
        return Answer(0, body=raw, hung=hung)
    named = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in named}
    return Answer(int(words[1]), headers, body, hung)
