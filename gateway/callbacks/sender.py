"""One POST to a merchant's server, on libcurl: one deadline for the whole of it, no redirects, no
proxy of our environment, an answer of any size read no further than needed.

Never called in a transaction. Any answer is a result; only a fault of ours raises.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO

import pycurl

from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import assert_no_transaction
from gateway.settings import settings

CONNECT_SECONDS = 5
KEPT_BODY_BYTES = 1024
MAX_BODY_BYTES = 64 * 1024
MAX_HEADERS, MAX_HEADER_BYTES = 50, 512
USER_AGENT = "payment-gateway/1 (callbacks)"

_ERRORS = {
    pycurl.E_COULDNT_RESOLVE_HOST: "The host name does not resolve.",
    pycurl.E_COULDNT_CONNECT: "Nothing accepts connections there.",
    pycurl.E_OPERATION_TIMEDOUT: "No complete answer in time.",
    pycurl.E_GOT_NOTHING: "The connection was closed without an answer.",
    pycurl.E_RECV_ERROR: "The connection broke while the answer came.",
    pycurl.E_SEND_ERROR: "The connection broke while the callback was sent.",
    pycurl.E_SSL_CONNECT_ERROR: "The TLS handshake failed.",
    pycurl.E_PEER_FAILED_VERIFICATION: "The TLS certificate is not valid for this host.",
}


@dataclass(frozen=True)
class Result:
    """`status_code` is None when no answer came; `error` says in words why an attempt failed."""

    started_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    headers: list[list[str]] = field(default_factory=list)
    body: str = ""

    @property
    def delivered(self) -> bool:
        return self.error is None

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asked us to wait, if it said so in seconds."""
        for name, value in self.headers:
            if name.lower() == "retry-after" and value.isascii() and value.isdigit():
                return float(value[:9])
        return None


class _Answer:
    """Collects what comes back, and ends the transfer when it is more than anyone needs."""

    def __init__(self) -> None:
        self.body = BytesIO()
        self.seen = 0
        self.headers: list[list[str]] = []

    def on_body(self, chunk: bytes) -> int | None:
        self.seen += len(chunk)
        self.body.write(chunk[: max(0, KEPT_BODY_BYTES - self.body.tell())])
        return None if self.seen <= MAX_BODY_BYTES else 0  # 0 taken: libcurl stops here

    def on_header(self, line: bytes) -> None:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon and len(self.headers) < MAX_HEADERS:
            self.headers.append([_clean(name)[:64], _clean(value)[:MAX_HEADER_BYTES]])

    def text(self) -> str:
        return _clean(self.body.getvalue().decode("utf-8", "replace"))


def post(url: str, *, headers: dict[str, str], body: bytes) -> Result:
    """Send `body` as JSON; 2xx is success, anything else is an error in words."""
    assert_no_transaction()
    crashpoint("callback post before")
    started_at, began, answer = datetime.now(UTC), time.monotonic(), _Answer()
    curl = _handle(url, headers, body, answer)
    error: str | None = None
    try:
        curl.perform()
    except pycurl.error as problem:
        number = problem.args[0]
        stopped = number == pycurl.E_WRITE_ERROR and answer.seen > MAX_BODY_BYTES
        error = (
            None if stopped else _ERRORS.get(number, f"The transfer failed ({problem.args[1]}).")
        )
    status = int(curl.getinfo(pycurl.RESPONSE_CODE)) or None
    curl.close()
    if error is None and not (status is not None and 200 <= status < 300):
        error = _refusal(status)
    crashpoint("callback post after")
    return Result(
        started_at=started_at,
        duration_ms=round((time.monotonic() - began) * 1000),
        status_code=status,
        error=error,
        headers=answer.headers,
        body=answer.text(),
    )


def _handle(url: str, headers: dict[str, str], body: bytes, answer: _Answer) -> pycurl.Curl:
    """A connection of its own: on a kept one that has died libcurl sends again by itself, and one
    attempt would be two.
    """
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.POST, 1)
    curl.setopt(pycurl.POSTFIELDS, body)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    curl.setopt(pycurl.HTTPHEADER, ["Content-Type: application/json", "Expect:", *lines])
    curl.setopt(pycurl.USERAGENT, USER_AGENT)
    curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_SECONDS)
    curl.setopt(pycurl.TIMEOUT_MS, int(settings().callback_timeout * 1000))
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.PROXY, "")
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.WRITEFUNCTION, answer.on_body)
    curl.setopt(pycurl.HEADERFUNCTION, answer.on_header)
    return curl


def _refusal(status: int | None) -> str:
    if status is None:
        return "No complete answer came."
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed; change the endpoint's address."
    return f"HTTP {status}."


def _clean(text: str) -> str:
    """What PostgreSQL can store and a page can show: no control characters but line breaks."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text).strip()
