"""`python -m gateway.dev.store`: start the shop. Only reads arguments and environment."""

import argparse
import os
from pathlib import Path

from gateway.dev.seed import KEY, SECRET
from gateway.dev.store.app import Links, Store, create_app
from gateway.dev.store.client import Gateway
from gateway.dev.store.endpoint import Registration
from gateway.dev.store.inbox import Inbox
from gateway.dev.store.server import serve


def main() -> None:
    given = _arguments()
    url = f"http://127.0.0.1:{given.port}"
    base = given.gateway.rstrip("/")
    gateway = Gateway(base, key=KEY, secret=SECRET)
    store = Store(
        gateway=gateway,
        registration=Registration(gateway, url=f"{url}/callbacks", memory=given.memory),
        inbox=Inbox(),
        url=url,
        links=Links(
            gateway=base,
            sandbox=os.environ.get("DEMO_SANDBOX_URL") or None,
            flower=os.environ.get("DEMO_FLOWER_URL") or None,
        ),
    )
    serve(create_app(store), port=given.port, registration=store.registration)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="store", description="A small shop, to try the gateway.")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--gateway", default="http://127.0.0.1:8000", help="where the gateway is")
    parser.add_argument(
        "--memory",
        type=Path,
        default=Path("var/store.json"),
        help="keeps the endpoint's secret, which the gateway shows once",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
