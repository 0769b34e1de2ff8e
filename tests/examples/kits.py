"""The receivers as processes, and the shop's database that they fill."""

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests
from node_support import NODE

from gateway.dev.machine import free_port
from gateway.dev.walk import wait_for

EXAMPLES = Path(__file__).parents[2] / "examples"
KINDS = ("flask", "fastapi", "node")


class Kit:
    """One receiver at work."""

    def __init__(self, url: str, database: Path) -> None:
        self.url = url
        self.database = database

    def post(self, headers: dict[str, str], body: bytes) -> int:
        sent = headers | {"Content-Type": "application/json"}
        return requests.post(self.url, data=body, headers=sent, timeout=10).status_code

    def rows(self, query: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.database)) as db, db:
            return db.execute(query, values).fetchall()

    def kept(self, event_id: str) -> int:
        return len(self.rows("SELECT 1 FROM events WHERE id = ?", event_id))

    def ships(self, order_id: str) -> bool:
        return bool(self.rows("SELECT 1 FROM to_ship WHERE order_id = ?", order_id))


def command(kind: str, node_folder: Path | None, at: int | None) -> list[str]:
    if kind == "node":
        stopped = ["--import", f"data:text/javascript,Date.now = () => {at}000"] if at else []
        return [NODE, *stopped, str(node_folder / "receiver.js")]
    stopped = [str(Path(__file__).with_name("at.py")), str(at)] if at else []
    return [sys.executable, *stopped, str(EXAMPLES / f"receiver_{kind}.py")]


@contextmanager
def running(
    command: list[str],
    folder: Path,
    *,
    secret: str,
    gateway: str,
    port: int | None = None,
) -> Iterator[Kit]:
    port = port or free_port()
    kit = Kit(f"http://127.0.0.1:{port}/hooks", folder / "shop.sqlite3")
    settings = {
        "WEBHOOK_SECRET": secret,
        "PORT": str(port),
        "DATABASE": str(kit.database),
        "GATEWAY_URL": gateway,
    }
    log = folder / "kit.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | settings, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(f"The start of what writes {log}", lambda: listens(port), seconds=20)
        yield kit
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
