"""What a kill -9 leaves behind: everything that was answered, and everything that is owed."""

import signal
from pathlib import Path
from uuid import uuid4

import pytest

from .money import DAY, later, paid
from .support import Receiver, Server, euros, until


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def test_a_killed_sandbox_goes_on_where_it_was(tmp_path: Path, receiver: Receiver):
    server = Server(tmp_path / "sandbox.sqlite3", webhook_url=receiver.url)
    try:
        session = server.create()
        server.pay(session.id, "4000000000000002")
        key = {"Idempotency_Key": str(uuid4())}
        path = f"/v1/checkout/sessions/{server.create().id}/expire"
        expired = server.raw("POST", path, {}, **key)
        server.lever("POST", "clock", {"advance_s": 100})
        server.lever("PUT", "faults", {"seed": 5})
        before = server.lever("GET", "state").json()
        server.stop(signal.SIGKILL)

        server.start()

        after = server.lever("GET", "state").json()
        assert (after["counts"], after["sessions"]) == (before["counts"], before["sessions"])
        assert after["now"] >= before["now"]
        assert server.lever("GET", "faults").json()["seed"] == 5
        assert server.raw("POST", path, {}, **key).content == expired.content
        assert server.pay(session.id).status_code == 303
    finally:
        assert server.stop() == 0
        receiver.close()


def test_what_is_due_later_survives(tmp_path: Path):
    server = Server(tmp_path / "sandbox.sqlite3")
    try:
        intent, debit = paid(server, "4000000000007726"), server.create(**euros("sepa_debit"))
        server.submit(debit.id, iban="AT611904300234573201")
        refund = server.client.v1.refunds.create({"payment_intent": intent.id})
        server.stop(signal.SIGKILL)

        server.start()

        later(server, 3 * DAY + 1)
        assert server.client.v1.refunds.retrieve(refund.id).status == "succeeded"
        assert server.session(debit.id).payment_status == "paid"
    finally:
        server.stop()


def test_an_owed_webhook_survives(tmp_path: Path, receiver: Receiver):
    receiver.answers["checkout.session.expired"] = [503] * 1
    server = Server(tmp_path / "sandbox.sqlite3", webhook_url=receiver.url)
    try:
        id = server.create().id
        server.client.v1.checkout.sessions.expire(id)
        until(lambda: len(receiver.about(id)) == 1)
        server.stop(signal.SIGKILL)

        server.start()

        until(lambda: len(receiver.about(id)) == 2)
        until(lambda: server.lever("GET", "state").json()["deliveries"] == {"delivered": 1})
    finally:
        server.stop()
        receiver.close()
