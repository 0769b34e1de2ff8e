"""A merchant's server with any number of addresses, which answers 200 at once: `receiver PORT`."""

import sys

from aiohttp import web


async def take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


def main() -> None:
    app = web.Application()
    app.router.add_get("/healthz", take)
    app.router.add_post("/hooks/{n}", take)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
