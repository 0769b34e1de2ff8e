"""A thousand merchants' servers in one process, each at an address of its own: `receiver PORT`.

`/hooks/...` answers 200 at once, `/hangs/...` never. Addresses are those of this machine's loopback
network, which on Linux are all there.
"""

import asyncio
import sys

from aiohttp import web

HOW_MANY = 1000


def host(number: int) -> str:
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


async def take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def hang(request: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    return web.Response()


def main() -> None:
    app = web.Application()
    app.router.add_get("/healthz", take)
    app.router.add_post("/hooks/{n}", take)
    app.router.add_post("/hangs/{n}", hang)
    hosts = [host(number) for number in range(HOW_MANY)]
    port = int(sys.argv[1])
    web.run_app(app, host=hosts, port=port, print=None, access_log=None, backlog=1024)


if __name__ == "__main__":
    main()
