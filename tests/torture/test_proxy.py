"""Each trouble of the network does what its name says, and its end mends what can be mended."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gateway.dev.torture.network import Network


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with suppress(ConnectionError):  # some of them are to be broken off
            while data := self.request.recv(65536):
                self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


@pytest.fixture
def line(network: Network, request: pytest.FixtureRequest) -> Iterator[tuple[Network, str, int]]:
    name = request.node.name
    with Server(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield network, name, network.line(name, f"127.0.0.1:{server.server_address[1]}")
        server.shutdown()


def opened(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def is_refused(port: int) -> bool:
    try:
        with opened(port) as connection:
            connection.sendall(b"hello")
            return connection.recv(1) == b""
    except ConnectionError:
        return True


def echo(connection: socket.socket, said: bytes = b"hello") -> bytes:
    connection.sendall(said)
    heard = b""
    while len(heard) < len(said):
        part = connection.recv(65536)
        if not part:
            break
        heard += part
    return heard


def seconds_of(connection: socket.socket, said: bytes) -> float:
    began = time.monotonic()
    assert echo(connection, said) == said
    return time.monotonic() - began


def test_without_trouble_everything_passes_and_quickly(line: tuple[Network, str, int]) -> None:
    with opened(line[2]) as connection:
        assert seconds_of(connection, b"x" * 1_000_000) < 2
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_latency_makes_every_answer_late(line: tuple[Network, str, int]) -> None:
    network, name, port = line
    with opened(port) as connection:
        quick = seconds_of(connection, b"hello")
        network.trouble(name, "latency")
        assert quick < 0.2 < seconds_of(connection, b"hello")


def test_half_open_takes_everything_and_answers_nothing(line: tuple[Network, str, int]) -> None:
    network, name, port = line
    network.trouble(name, "half_open")
    with opened(port) as connection:
        connection.sendall(b"hello")
        connection.settimeout(0.4)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        network.trouble(name, "none")
        connection.settimeout(5)
        assert connection.recv(5) == b"hello"


def test_reset_breaks_off_what_is_open_and_what_is_opened(line: tuple[Network, str, int]) -> None:
    network, name, port = line
    with opened(port) as connection:
        assert echo(connection) == b"hello"
        network.trouble(name, "reset")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert is_refused(port)
    network.trouble(name, "none")
    with opened(port) as connection:
        assert echo(connection) == b"hello"


def test_drip_lets_out_a_byte_at_a_time(line: tuple[Network, str, int]) -> None:
    network, name, port = line
    network.trouble(name, "drip")
    with opened(port) as connection:
        connection.sendall(b"hello" * 20)
        assert len(connection.recv(65536)) < 10
        network.trouble(name, "none")
        rest = b""
        while len(rest) < 90:
            rest += connection.recv(65536)


def test_a_line_to_nobody_is_broken_off(network: Network) -> None:
    port = network.line("nobody", "127.0.0.1:1")
    assert is_refused(port)


def test_its_process_ends_with_it() -> None:
    with Network() as network:
        process = network._process
    assert process.returncode == 0
