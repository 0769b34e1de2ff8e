"""What a shop keeps of its events, in SQLite: each once, and never older news over newer.

What an event brings about is one transaction with the row that remembers it. Whatever is raised
here must reach the sender as a 5xx: then nothing was kept, and the gateway sends it again.
"""

import json
import os
import sqlite3
from contextlib import closing
from typing import Any

import requests

DATABASE = os.environ.get("DATABASE", "shop.sqlite3")
GATEWAY_URL = os.environ.get("GATEWAY_URL", "http://127.0.0.1:8000")
KEY = (
    os.environ.get("API_KEY", "key_test_abc123"),
    os.environ.get("API_SECRET", "secret_test_xyz789"),
)

TABLES = """
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, sequence INTEGER, type TEXT);
CREATE TABLE IF NOT EXISTS resources (id TEXT PRIMARY KEY, sequence INTEGER, data TEXT);
CREATE TABLE IF NOT EXISTS to_ship (order_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS pulled (only INTEGER PRIMARY KEY CHECK (only = 1), after INTEGER);
"""
# The same resource under a lower number is older news, however late it comes.
NEWER = """
INSERT INTO resources VALUES (:id, :sequence, :data) ON CONFLICT (id) DO UPDATE
SET sequence = excluded.sequence, data = excluded.data WHERE excluded.sequence > sequence
"""


def store(event_id: str, event: dict[str, Any]) -> bool:
    """Keep one event and do what it asks for; False if it was here before."""
    if event["data"].get("thin"):
        event = ask(event["data"]["href"])
    data = event["data"]
    row = {"id": data["id"], "sequence": event["sequence"], "data": json.dumps(data)}
    with closing(connect()) as db, db:  # commits, or rolls back what was done before an error
        kept = db.execute(
            "INSERT OR IGNORE INTO events VALUES (?, ?, ?)",
            (event_id, event["sequence"], event["type"]),
        )
        if kept.rowcount == 0:
            return False
        db.execute(NEWER, row)
        if event["type"].startswith("order."):
            fulfil(db, data["id"], paid=event["type"] == "order.payment_done")
        return True


def fulfil(db: sqlite3.Connection, order_id: str, *, paid: bool) -> None:
    """Ship what is paid, unless newer news has cancelled it; here a row, to be picked up."""
    (known,) = db.execute("SELECT data FROM resources WHERE id = ?", (order_id,)).fetchone()
    if json.loads(known)["status"] == "cancelled":
        db.execute("DELETE FROM to_ship WHERE order_id = ?", (order_id,))
    elif paid:
        db.execute("INSERT OR IGNORE INTO to_ship VALUES (?)", (order_id,))


def connect() -> sqlite3.Connection:
    db = sqlite3.connect(DATABASE)
    db.executescript(TABLES)
    return db


def ask(path: str) -> dict[str, Any]:
    """Read from the gateway."""
    answer = requests.get(GATEWAY_URL + path, auth=KEY, timeout=10)
    answer.raise_for_status()
    return dict(answer.json())
