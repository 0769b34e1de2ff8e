"""One POST to a merchant's server, on libcurl: one deadline for the whole of it, no redirects, no
proxy of our environment, only addresses that `egress` lets through, an answer of any size read no
further than needed and never unpacked.

Never used in a transaction. Any answer is a result; only a fault of ours raises.
"""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import certifi
import pycurl

from gateway.callbacks import egress
from gateway.settings import settings

CONNECT_SECONDS = 5
KEPT_BODY_BYTES = 1024
MAX_BODY_BYTES = 64 * 1024
MAX_HEADERS, MAX_HEADER_BYTES = 50, 512
# Servers close connections that idle, many after a minute: one of that age is not trusted, since
# libcurl posts again on a new one when a kept one turns out dead.
KEPT_IDLE_SECONDS = 30
USER_AGENT = "payment-gateway/1 (callbacks)"

_ERRORS = {
    pycurl.E_COULDNT_RESOLVE_HOST: "The host name does not resolve.",
    pycurl.E_COULDNT_CONNECT: "Nothing accepts connections there.",
    pycurl.E_OPERATION_TIMEDOUT: "No complete answer in time.",
    pycurl.E_GOT_NOTHING: "The connection was closed without an answer.",
    pycurl.E_RECV_ERROR: "The connection broke while the answer came.",
    pycurl.E_SEND_ERROR: "The connection broke while the callback was sent.",
    pycurl.E_SEND_FAIL_REWIND: "The connection broke while the callback was sent.",
    pycurl.E_SSL_CONNECT_ERROR: "The TLS handshake failed.",
    pycurl.E_PEER_FAILED_VERIFICATION: "The TLS certificate is not valid for this host.",
}

# Its name was resolved for this attempt, or it was sent on a connection that was there.
_FOUND = (pycurl.NAMELOOKUP_TIME, pycurl.PRETRANSFER_TIME)

Failure = tuple[int, str]  # libcurl's number and words


@dataclass(slots=True)
class Result:
    """`status_code` is None when no answer came; `error` says in words why an attempt failed."""

    started_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    found_server: bool = True  # false when the name did not resolve in time: maybe not its fault
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


class _Socket:
    """libcurl takes a copy of it at once; this one is closed as soon as it has."""

    def __init__(self, family: int, kind: int, protocol: int) -> None:
        self.fd = socket.socket(family, kind, protocol).detach()

    def fileno(self) -> int:
        return self.fd

    def __del__(self) -> None:
        os.close(self.fd)


class Exchange:
    """A handle of libcurl's, to be used for one POST after another."""

    def __init__(self) -> None:
        self.curl = pycurl.Curl()
        self.refused: str | None = None
        self.trusted = ""
        for option, value in _OPTIONS.items():
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        # The body comes from a function that cannot go back: so libcurl does not, as it would for
        # bytes, send it again by itself on each kept connection that turns out dead.
        self.curl.setopt(pycurl.READFUNCTION, self._on_read)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._on_body)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._on_header)

    def begin(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Everything that is this POST's own; the transfer itself is the caller's to run."""
        self.body, self.seen, self.lines = BytesIO(), 0, list[bytes]()
        self.refused = None
        self._trust(settings().callback_ca_file or certifi.where())
        lines = [f"{name}: {value}" for name, value in headers.items()]
        self.curl.setopt(pycurl.URL, url)
        self.sent = BytesIO(body)
        self.curl.setopt(pycurl.POSTFIELDSIZE, len(body))
        self.curl.setopt(pycurl.HTTPHEADER, ["Content-Type: application/json", "Expect:", *lines])
        self.curl.setopt(pycurl.TIMEOUT_MS, int(settings().callback_timeout * 1000))
        self.started_at, self.began = datetime.now(UTC), time.monotonic()

    def _trust(self, certificates: str) -> None:
        if certificates != self.trusted:
            self.curl.setopt(pycurl.CAINFO, certificates)
            self.trusted = certificates

    def result(self, failure: Failure | None) -> Result:
        status = int(self.curl.getinfo(pycurl.RESPONSE_CODE)) or None
        return Result(
            started_at=self.started_at,
            duration_ms=round((time.monotonic() - self.began) * 1000),
            status_code=status,
            error=self._error(status, failure),
            found_server=any(self.curl.getinfo(moment) for moment in _FOUND),
            headers=[_header(line) for line in self.lines if b":" in line],
            body=_clean(self.body.getvalue().decode("utf-8", "replace")),
        )

    def _error(self, status: int | None, failure: Failure | None) -> str | None:
        if failure is not None:
            number, words = failure
            if self.refused:
                return self.refused
            if not (number == pycurl.E_WRITE_ERROR and self.seen > MAX_BODY_BYTES):
                return _ERRORS.get(number, f"The transfer failed ({_clean(words)}).")
        if status is not None and 200 <= status < 300:
            return None
        return _refusal(status)

    def _open(self, _: int, address: Any) -> Any:
        """The last word on where this goes: the address itself, however its name was resolved."""
        family, kind, protocol, place = address
        if family not in (socket.AF_INET, socket.AF_INET6):
            self.refused = "Leads inside; callbacks go to public addresses."
        else:
            self.refused = egress.refusal(place[0], place[1])
        return pycurl.SOCKET_BAD if self.refused else _Socket(family, kind, protocol)

    def _on_read(self, size: int) -> bytes:
        return self.sent.read(size)

    def _on_body(self, chunk: bytes) -> int | None:
        self.seen += len(chunk)
        self.body.write(chunk[: max(0, KEPT_BODY_BYTES - self.body.tell())])
        return None if self.seen <= MAX_BODY_BYTES else 0  # 0 taken: libcurl stops here

    def _on_header(self, line: bytes) -> None:
        if len(self.lines) <= MAX_HEADERS:  # the first of them is the status line
            self.lines.append(line[: MAX_HEADER_BYTES + 64])


_OPTIONS = {
    pycurl.POST: 1,
    pycurl.USERAGENT: USER_AGENT,
    pycurl.CONNECTTIMEOUT: CONNECT_SECONDS,
    pycurl.NOSIGNAL: 1,
    pycurl.DNS_CACHE_TIMEOUT: 0,
    pycurl.FOLLOWLOCATION: 0,
    pycurl.PROXY: "",
    pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.MAXAGE_CONN: KEPT_IDLE_SECONDS,
}


def _header(line: bytes) -> list[str]:
    name, _, value = line.decode("latin-1").partition(":")
    return [_clean(name)[:64], _clean(value)[:MAX_HEADER_BYTES]]


def _refusal(status: int | None) -> str:
    if status is None:
        return "No complete answer came."
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed; change the endpoint's address."
    return f"HTTP {status}."


def _clean(text: str) -> str:
    """What PostgreSQL can store and a page can show: no control characters but line breaks."""
    text = text.strip()
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text).strip()
