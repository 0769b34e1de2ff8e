"""Stripe in this process: the sandbox, remembered and put back, and the hands that move it.

The gateway reaches it over HTTP as it reaches Stripe. It sends no webhooks: whoever plays tells
its events, in the order under test.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gateway.dev.machine import free_port
from gateway.dev.sandbox import due, http
from gateway.dev.sandbox.app import create_app
from gateway.dev.sandbox.clock import LocalClock
from gateway.dev.sandbox.context import Sandbox
from gateway.dev.sandbox.faults import Faults
from gateway.dev.sandbox.store import Object, Store

KEY = {"Authorization": "Bearer sk_test_torture"}
GOOD, DECLINED, ASKS_FOR_3DS = "4242424242424242", "4000000000000002", "4000002760003184"
CARD = {"exp_month": "12", "exp_year": "2034", "cvc": "123", "email": "shopper@example.com"}
_KEPT = ("objects", "idempotency")


class Memory(NamedTuple):
    """Everything Stripe knew at a moment, and its clock."""

    rows: dict[str, list[tuple[Any, ...]]]
    offset: float


class Stripe:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.url = sandbox.base_url
        self.hands = create_app(sandbox).test_client()

    def remember(self) -> Memory:
        with self.sandbox.store.transaction() as tx:
            rows = {table: tx.execute(f"SELECT * FROM {table}").fetchall() for table in _KEPT}
        return Memory(rows, self.sandbox.clock.offset())

    def put_back(self, memory: Memory) -> None:
        with self.sandbox.store.transaction() as tx:
            for table, rows in memory.rows.items():
                tx.execute(f"DELETE FROM {table}")
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    tx.execute(f"INSERT INTO {table} VALUES ({marks})", *row)
        self.sandbox.clock.advance(memory.offset - self.sandbox.clock.offset())

    def forget(self) -> None:
        self.lever("reset")

    def advance(self, seconds: float) -> None:
        self.sandbox.clock.advance(seconds)
        with self.sandbox.work() as work:
            due.settle_due(work)

    def lever(self, path: str, **body: Any) -> Any:
        answer = self.hands.post(f"/_sandbox/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json

    def shopper(self, session: str, **form: str) -> None:
        """Send the form of a hosted page, be it open or not."""
        self.hands.post(f"/c/pay/{session}", data=form)

    def api(self, path: str, **params: str) -> Any:
        """What somebody does in Stripe's own dashboard, past the gateway."""
        answer = self.hands.post(f"/v1/{path}", data=params, headers=KEY)
        assert answer.status_code == 200, answer.text
        return answer.json

    def all(self, kind: str) -> list[Object]:
        """Oldest first."""
        with self.sandbox.store.transaction() as tx:
            return list(reversed(tx.newest(kind)))

    def events(self, after: int = 0) -> tuple[int, list[Object]]:
        """Those that followed the one at `after`, oldest first, and the place of the last."""
        with self.sandbox.store.transaction() as tx:
            last = tx.execute("SELECT coalesce(max(seq), 0) FROM objects").fetchone()[0]
            where = "WHERE kind = 'event' AND seq > ? ORDER BY seq"
            return last, [] if last == after else tx.documents(where, after)

    def payment_ids(self) -> dict[str, str]:
        """Our payment's id by the ids of its session and its intent."""
        found: dict[str, str] = {}
        for session in self.all("checkout.session"):
            mine = session["client_reference_id"]
            found |= {session["id"]: mine, session["payment_intent"] or "": mine}
        return found


@contextmanager
def stripe() -> Iterator[Stripe]:
    """An empty one, served at a port of its own and kept in memory."""
    store = Store(Path(":memory:"))
    port = free_port()
    sandbox = Sandbox(
        store=store,
        clock=LocalClock(store),
        faults=Faults(store),
        base_url=f"http://127.0.0.1:{port}",
        webhook_url=None,
        webhook_secret="",  # nothing is sent from here
    )
    server = http.listen("127.0.0.1", port, create_app(sandbox))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield Stripe(sandbox)
    finally:
        server.shutdown()
        server.server_close()
