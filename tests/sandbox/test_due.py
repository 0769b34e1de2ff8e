"""What the clock brings happens by itself, even when nobody asks the sandbox anything."""

import threading
import time
from pathlib import Path

import pytest

from gateway.dev.sandbox import instruments, payments, refunds, server, sessions
from gateway.dev.sandbox.context import Sandbox
from gateway.dev.sandbox.faults import Faults
from gateway.dev.sandbox.store import Store

from .support import session_params, until


class HandClock:
    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def offset(self) -> float:
        return self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture
def quiet(tmp_path: Path) -> Sandbox:
    """A sandbox that nobody can call."""
    store = Store(tmp_path / "sandbox.sqlite3")
    return Sandbox(
        store=store,
        clock=HandClock(),
        faults=Faults(store),
        base_url="http://127.0.0.1:1",
        webhook_url=None,
        webhook_secret="whsec_x",
    )


def test_the_sweep_settles_what_is_due(quiet: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "_SWEEP_EVERY_S", 0.02)
    card = instruments.of_card(instruments.CARDS["4000000000005126"], 12, 2050)
    with quiet.work() as work:
        left = sessions.create(work, session_params())
        bought = payments.submit(work, sessions.create(work, session_params()), card).session
        refund = refunds.create(work, {"payment_intent": bought["payment_intent"]})
    stopped = threading.Event()
    sweep = threading.Thread(target=server._sweep, args=(quiet, stopped))
    sweep.start()

    def status(kind: str, id: str) -> str:
        with quiet.store.transaction() as tx:
            obj = tx.get(kind, id)
        return obj["status"] if obj else ""

    try:
        quiet.clock.advance(86401)
        until(lambda: status("refund", refund["id"]) == "failed")
        until(lambda: status("checkout.session", left["id"]) == "expired")
    finally:
        stopped.set()
        sweep.join()
