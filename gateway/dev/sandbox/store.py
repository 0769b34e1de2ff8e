"""The sandbox's memory: one SQLite file, one writer at a time, whole transactions only.

So a killed process leaves no half state. Knows Stripe's objects only as documents with a few
columns to find them by; never interprets them.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Object = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    label TEXT,
    payment_intent TEXT,
    due INTEGER,
    document TEXT NOT NULL,
    notes TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS objects_created ON objects (kind, created);
CREATE INDEX IF NOT EXISTS objects_intent ON objects (payment_intent, kind);
CREATE INDEX IF NOT EXISTS objects_due ON objects (due) WHERE due IS NOT NULL;
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    state TEXT NOT NULL,
    is_copy INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    give_up_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_event ON deliveries (event_id);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS idempotency_created ON idempotency (created);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Transaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        return self._connection.execute(sql, args)

    def get(self, kind: str, id: str) -> Object | None:
        sql = "SELECT document FROM objects WHERE id = ? AND kind = ?"
        row = self.execute(sql, id, kind).fetchone()
        return None if row is None else _loads(row[0])

    def find(self, id: str) -> Object | None:
        """An object of whatever kind."""
        row = self.execute("SELECT document FROM objects WHERE id = ?", id).fetchone()
        return None if row is None else _loads(row[0])

    def put(self, obj: Object, *, due: int | None = None) -> Object:
        """Insert or replace; `due` is when the clock will end its present state, if it will."""
        self.execute(
            "INSERT INTO objects (id, kind, created, label, payment_intent, due, document)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET label = excluded.label,"
            " payment_intent = excluded.payment_intent, due = excluded.due,"
            " document = excluded.document",
            obj["id"],
            obj["object"],
            obj["created"],
            obj.get("status") or obj.get("type"),
            obj.get("payment_intent"),
            due,
            json.dumps(obj, separators=(",", ":")),
        )
        return obj

    def rewrite(self, obj: Object) -> None:
        """Replace the document and leave its due time."""
        sql = "UPDATE objects SET document = ? WHERE id = ?"
        self.execute(sql, json.dumps(obj, separators=(",", ":")), obj["id"])

    def notes(self, id: str) -> Object:
        """What the sandbox remembers about an object and never shows."""
        row = self.execute("SELECT notes FROM objects WHERE id = ?", id).fetchone()
        return {} if row is None else _loads(row[0])

    def set_notes(self, id: str, notes: Object) -> None:
        self.execute("UPDATE objects SET notes = ? WHERE id = ?", json.dumps(notes), id)

    def documents(self, where: str, *args: Any) -> list[Object]:
        rows = self.execute(f"SELECT document FROM objects {where}", *args)
        return [_loads(row[0]) for row in rows]

    def of_intent(self, kind: str, intent_id: str) -> list[Object]:
        where = "WHERE payment_intent = ? AND kind = ? ORDER BY seq DESC"
        return self.documents(where, intent_id, kind)

    def newest(self, kind: str, *, limit: int = -1) -> list[Object]:
        return self.documents("WHERE kind = ? ORDER BY seq DESC LIMIT ?", kind, limit)

    def due(self, now: int) -> list[Object]:
        return self.documents("WHERE due <= ? ORDER BY due, seq", now)

    def setting(self, name: str) -> Any:
        row = self.execute("SELECT value FROM settings WHERE name = ?", name).fetchone()
        return None if row is None else json.loads(row[0])

    def set_setting(self, name: str, value: Any) -> None:
        self.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, json.dumps(value))

    def forget_everything(self) -> None:
        for table in ("objects", "deliveries", "idempotency"):
            self.execute(f"DELETE FROM {table}")


class Store:
    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Survives the death of the process; only a power cut could lose the last commits.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._connection)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _loads(text: str) -> Object:
    result: Object = json.loads(text)
    return result
