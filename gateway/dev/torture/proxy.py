"""A bad network between the gateway's processes and what they talk to: one TCP proxy per line.

`python -m gateway.dev.torture.proxy`: reads one JSON object per line from standard input and ends
with it, so it outlives nobody. It passes bytes on, or troubles them; it never reads what they say.
"""

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

TROUBLES = ("none", "latency", "half_open", "reset", "drip")
# How long a chunk, or with `drip` each byte, is held.
LATENCY_SECONDS, DRIP_SECONDS = 0.25, 0.002
# A reset, not a goodbye: what was sent and not yet read is thrown away as well.
ABRUPT = struct.pack("ii", 1, 0)
UNREAD = 1 << 18  # bytes held here for the other side before the sender has to wait


class Line:
    """What happens to the connections of one proxy, now and until it is told otherwise."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream  # the path of a unix socket, or host:port
        self.trouble = "none"
        self.ends: set[End] = set()

    def be(self, trouble: str) -> None:
        """Troubles of bytes come to those that are under way as well; nothing is lost by them."""
        if trouble not in TROUBLES:
            raise ValueError(f"no such trouble: {trouble}; known: {', '.join(TROUBLES)}")
        self.trouble = trouble
        for end in list(self.ends):
            if trouble == "reset":
                end.cut()
            end.pass_on()

    async def accept(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Near(self), "127.0.0.1", 0)

    async def reach(self, protocol: Callable[[], "End"]) -> None:
        loop = asyncio.get_running_loop()
        if self.upstream.startswith("/"):
            await loop.create_unix_connection(protocol, self.upstream)
            return
        host, _, port = self.upstream.rpartition(":")
        await loop.create_connection(protocol, host, int(port))


class End(asyncio.Protocol):
    """One end of a connection: what comes in here is held, and goes out at `other`."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None
        self.held = bytearray()
        self.timer: asyncio.TimerHandle | None = None
        self.ended = False  # nothing more comes in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.line.ends.add(self)
        if self.line.trouble == "reset":
            self.cut()

    def data_received(self, data: bytes) -> None:
        if self.line.trouble == "none" and not self.held and self.other and self.other.transport:
            self.other.write(data)
            return
        self.held += data
        if len(self.held) > UNREAD and self.transport:
            self.transport.pause_reading()
        self.pass_on()

    def pass_on(self) -> None:
        """As much of what is held as the trouble lets through now; the rest in a while."""
        to = self.other.transport if self.other else None
        if to is None or self.timer is not None or self.line.trouble == "half_open":
            return
        if not self.held:
            if self.ended:
                to.close()
            return
        loop = asyncio.get_running_loop()
        if self.line.trouble == "latency":
            self.timer = loop.call_later(LATENCY_SECONDS, self._let_out, len(self.held))
        elif self.line.trouble == "drip":
            self.timer = loop.call_later(DRIP_SECONDS, self._let_out, 1)
        else:
            self._let_out(len(self.held))

    def _let_out(self, most: int) -> None:
        self.timer = None
        part, self.held = self.held[:most], self.held[most:]
        if self.other:
            self.other.write(bytes(part))
        if self.transport and not self.transport.is_closing():
            self.transport.resume_reading()
        self.pass_on()

    def write(self, data: bytes) -> None:
        """Into the void if it has gone: asyncio would say so for each part."""
        if self.transport and not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.line.ends.discard(self)
        self.ended = True
        if self.other and error is not None:
            self.other.cut()
        else:
            self.pass_on()

    def cut(self) -> None:
        if self.transport and not self.transport.is_closing():
            line: socket.socket = self.transport.get_extra_info("socket")
            if line.family != socket.AF_UNIX:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
            self.transport.abort()


class Near(End):
    """The end that a process of the gateway has opened; it opens the far one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.opening = asyncio.get_running_loop().create_task(self._reach())

    async def _reach(self) -> None:
        far = End(self.line)
        try:
            await self.line.reach(lambda: far)
        except OSError:  # the server is down: so is the line
            self.cut()
            return
        self.other, far.other = far, self
        if self.transport is None or self.transport.is_closing():
            far.cut()
        self.pass_on()
        far.pass_on()


@dataclass(frozen=True)
class Order:
    """What comes in on standard input: a new line, or a trouble for one that is there."""

    name: str
    upstream: str = ""
    trouble: str = "none"


async def _serve() -> None:
    """Carry out orders until there are no more; each is answered with the line's port."""
    lines: dict[str, tuple[Line, int]] = {}
    loop = asyncio.get_running_loop()
    while order := await loop.run_in_executor(None, sys.stdin.readline):
        wanted = Order(**json.loads(order))
        if wanted.name not in lines:
            line = Line(wanted.upstream)
            server = await line.accept()
            lines[wanted.name] = line, server.sockets[0].getsockname()[1]
        line, port = lines[wanted.name]
        line.be(wanted.trouble)
        print(port, flush=True)


def main() -> None:
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
