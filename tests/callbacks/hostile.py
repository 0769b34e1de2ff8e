"""Servers that do their worst, each at an address of its own, and certificates that do not hold."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from zlib import compressobj

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\n"
Play = Callable[[socket.socket, threading.Event], None]


def bomb() -> bytes:
    """50 MB of zeros, packed."""
    packer = compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(50)), packer.flush()])


def says(*parts: bytes) -> Play:
    def play(connection: socket.socket, _: threading.Event) -> None:
        for part in parts:
            connection.sendall(part)

    return play


def drips(start: bytes, byte: bytes = b"y") -> Play:
    def play(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(start)
        while not stop.wait(0.1):
            connection.sendall(byte)

    return play


def floods(start: bytes, part: bytes) -> Play:
    def play(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(start)
        while not stop.is_set():
            connection.sendall(part)

    return play


def waits(start: bytes) -> Play:
    def play(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(start)
        stop.wait()

    return play


def resets(connection: socket.socket, _: threading.Event) -> None:
    connection.sendall(OK + b"Content-Length: 10\r\n\r\n")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# What it does, and whether that is a delivery: the first lines of an answer have come or not.
RECEIVERS: dict[str, tuple[Play, bool]] = {
    "drips its headers": (drips(OK + b"X: "), False),
    "drips its body": (drips(OK + b"Content-Length: 100000\r\n\r\n"), False),
    "drips chunks": (drips(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n"), False),
    "answers without end": (floods(OK + b"\r\n", b"x" * 65536), True),
    "promises ten gigabytes": (
        floods(OK + b"Content-Length: 10737418240\r\n\r\n", b"x" * 65536),
        True,
    ),
    "sends headers without end": (floods(OK, b"X-Filling: " + b"x" * 8000 + b"\r\n"), False),
    "sends one header without end": (floods(OK + b"X: ", b"x" * 65536), False),
    "sends a bomb": (
        says(OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n", bomb()),
        True,
    ),
    "only continues": (floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), False),
    "switches protocols": (waits(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), False),
    "never answers": (waits(b""), False),
    "stops in its headers": (waits(OK), False),
    "closes at once": (says(b""), False),
    "closes in its body": (says(OK + b"Content-Length: 10\r\n\r\nabc"), False),
    "resets": (resets, False),
    "speaks no HTTP": (says(b"220 mail.example ESMTP\r\n"), False),
    "speaks HTTP/0.9": (says(b"<html>hello</html>"), False),
    "has a negative length": (says(OK + b"Content-Length: -5\r\n\r\n"), False),
    "has two lengths": (says(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), False),
    "breaks its chunks": (says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"), False),
    "has a status of no kind": (says(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"), False),
    "has no status": (says(b"HTTP/1.1 \r\n\r\n"), False),
    "sends it elsewhere": (
        says(b"HTTP/1.1 307 T\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
        False,
    ),
    "sets cookies": (says(OK + b"Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"), True),
    "answers in NUL": (
        says(OK + b"X-Odd: \x01\x7f\xff\r\nContent-Length: 4\r\n\r\na\x00\xff\n"),
        True,
    ),
}


@contextmanager
def served(play: Play, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Each connection's request is read, and then the play begins. Gives the port."""
    listener, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()
    listener.settimeout(0.05)

    def run() -> None:
        while not stop.is_set():
            with suppress(OSError, ValueError):
                plain, _ = listener.accept()
                plain.settimeout(30)
                with (
                    context.wrap_socket(plain, server_side=True) if context else plain as connection
                ):
                    connection.recv(65536)
                    play(connection, stop)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        thread.join(10)
        listener.close()


class Authority:
    """Signs certificates that only who trusts its `file` believes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        self.file = folder / "authority.pem"
        own = self._certificate(self.key.public_key(), self.name, ca=True)
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def context(
        self, host: str = "127.0.0.1", *, days: int = 1, signed_by: "Authority | None" = None
    ) -> ssl.SSLContext:
        """What a server with a certificate for `host` uses; `days` below 0: expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = (signed_by or self)._certificate(key.public_key(), name, host=host, days=days)
        path = self.folder / f"{host}-{days}-{signed_by is None}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _certificate(
        self, key: object, name: x509.Name, *, host: str = "", days: int = 1, ca: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=9))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if host:
            is_address = host.replace(".", "").isdigit()
            alternative = x509.IPAddress(ip_address(host)) if is_address else x509.DNSName(host)
            names = x509.SubjectAlternativeName([alternative])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())
