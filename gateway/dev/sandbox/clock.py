"""The one clock that gateway and sandbox share: wall time plus an offset that tests move forward.

With the gateway's database at hand the offset lives there, else in the sandbox's own file.
Never used for signatures, which are about real time.
"""

import re
import threading
import time
from typing import Any, Protocol

import psycopg2  # type: ignore[import-untyped]

from gateway.dev.sandbox.store import Store


class Clock(Protocol):
    def now(self) -> float: ...

    def offset(self) -> float: ...

    def advance(self, seconds: float) -> None: ...


class ClockUnreachable(Exception):
    """The clock cannot be moved: it lives in a database that is away."""


class LocalClock:
    def __init__(self, store: Store) -> None:
        self._store = store
        with store.transaction() as tx:
            self._offset = float(tx.setting("clock_offset") or 0)

    def now(self) -> float:
        return time.time() + self._offset

    def offset(self) -> float:
        return self._offset

    def advance(self, seconds: float) -> None:
        with self._store.transaction() as tx:
            self._offset += seconds
            tx.set_setting("clock_offset", self._offset)


class GatewayClock:
    """Reads `gateway_now()`; while PostgreSQL is away the last known offset holds."""

    FRESH_S = 0.5
    PATIENCE_S = 2  # Between attempts to reach a database that is away, and for each of them.

    def __init__(self, url: str) -> None:
        self._dsn = libpq_url(url)
        self._lock = threading.Lock()
        self._connection: Any = None
        self._offset = 0.0
        self._read_again_at = 0.0

    def now(self) -> float:
        return time.time() + self.offset()

    def offset(self) -> float:
        # Whoever finds the lock taken uses the offset as it is rather than wait.
        if time.monotonic() >= self._read_again_at and self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return self._offset

    def advance(self, seconds: float) -> None:
        sql = "UPDATE clock SET offset_seconds = offset_seconds + %s"
        with self._lock:
            try:
                self._execute(sql, (seconds,))
            except psycopg2.Error as error:
                raise ClockUnreachable(str(error)) from error
            self._read_again_at = 0.0

    def _refresh(self) -> None:
        try:
            sql = "SELECT extract(epoch FROM gateway_now())::float8"
            self._offset = self._execute(sql, (), fetch=True) - time.time()
            self._read_again_at = time.monotonic() + self.FRESH_S
        except psycopg2.Error:
            self._read_again_at = time.monotonic() + self.PATIENCE_S

    def _execute(self, sql: str, args: tuple[float, ...], *, fetch: bool = False) -> float:
        try:
            if self._connection is None:
                self._connection = psycopg2.connect(self._dsn, connect_timeout=self.PATIENCE_S)
                self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute(sql, args)
                return float(cursor.fetchone()[0]) if fetch else 0.0
        except psycopg2.Error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise


def libpq_url(url: str) -> str:
    """SQLAlchemy's spellings, such as `postgresql+psycopg2://`, are not known to libpq."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
