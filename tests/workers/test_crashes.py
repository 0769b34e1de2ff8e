"""A crash at every single crash point of the main path ends where no crash would have ended.

The path: create, submit, pay, webhook in, refresh, callback out. The crash is a BaseException
that nothing may catch; afterwards leases run out and the relay's passes go on until all is quiet.
"""

import pytest
from tests_support import tell

from gateway.kernel.crashpoints import Crash, arm

LEASE = 61


class Path:
    """One purchase, step by step; each step may be repeated, as its caller would."""

    def __init__(self, client, shop, stripe, drain, advance, order_id):
        self.client, self.shop, self.stripe = client, shop, stripe
        self.drain, self.advance, self.order_id = drain, advance, order_id

    def create(self):
        body = {"order_id": self.order_id, "amount": 1999, "currency": "EUR"}
        self.payment = self.client.post(
            "/api/v1/payments", json=body, headers=self.shop.headers
        ).json

    def read(self):
        path = f"/api/v1/payments/{self.payment['id']}"
        return self.client.get(path, headers=self.shop.headers).json

    def pay(self):
        if (url := self.read()["checkout_url"]) is not None:
            self.stripe.pay(url)

    def tell(self):
        for event in self.stripe.events():
            assert tell(self.client, event).status_code == 200

    def run(self):
        """Every step, each again after a crash in it, and then passes until all is quiet."""
        steps = (self.create, self.drain, self.pay, self.tell, self.drain, *[self.wait] * 3)
        for step in steps:
            try:
                step()
            except Crash:
                self.wait()
                step()

    def wait(self):
        self.advance(LEASE)
        self.drain()


@pytest.fixture
def crashing(monkeypatch):
    """Count the crash points passed, and crash at the given one."""

    class Points:
        def __init__(self):
            self.seen = []
            self.at = None

        def __call__(self, name):
            if name.startswith(("test:", "api:last-used")):
                return  # our own looking, and a thread that minds the clock on the wall
            self.seen.append(name)
            if self.at == len(self.seen):
                raise Crash(name)

        def restart(self, at=None):
            self.seen, self.at = [], at

    points = Points()
    arm(points)
    yield points
    arm(None)


def test_a_crash_anywhere_ends_as_if_there_had_been_none(
    client, shop, stripe, drain, advance, receiver, history, sql, crashing
):
    client.application.testing = True  # a crash must come through the framework
    receiver.register(client, shop)

    def walk(order_id, at=None):
        crashing.restart(at)
        path = Path(client, shop, stripe, drain, advance, order_id)
        path.run()
        seen = list(crashing.seen)
        crashing.restart()
        return path, seen

    whole, names = walk("order-0")
    expected = [history(whole.payment["id"]), history(whole.payment["order_id"])]
    assert expected[0][-1] == "payment.succeeded"
    assert len(names) > 20
    for at in range(1, len(names) + 1):
        path, seen = walk(f"order-{at}", at)
        story = [history(path.payment["id"]), history(path.payment["order_id"])]
        assert story == expected, f"after a crash at {seen[at - 1 : at]}"
        assert len(stripe.sessions(path.payment["id"])) == 1
        assert path.read()["certainty"] == "confirmed"
        stripe.lever("POST", "reset")  # all is paid: what follows need not hear of it again

    told = [
        body["data"]["id"] for body in receiver.verified() if body["type"] == "payment.succeeded"
    ]
    assert len(set(told)) == len(names) + 1
    assert sql("SELECT count(*) FROM callback_deliveries WHERE status <> 'delivered'") == 0
    assert sql("SELECT count(*) FROM payments WHERE needs_attention IS NOT NULL") == 0


def test_the_sweep_has_teeth(client, shop, stripe, drain, advance, crashing, monkeypatch):
    """A fresh key for every try, the classic mistake, is found: Stripe opens two sessions."""
    from workers import payments as tasks

    keys = iter(range(1000))
    honest = tasks.session_request

    def forgetful(tx, payment):
        from dataclasses import replace

        return replace(honest(tx, payment), idempotency_key=f"random:{next(keys)}")

    monkeypatch.setattr(tasks, "session_request", forgetful)

    def sessions_after_a_crash(at):
        crashing.restart(at)
        path = Path(client, shop, stripe, drain, advance, f"order-{at}")
        path.run()
        return len(stripe.sessions(path.payment["id"]))

    assert any(sessions_after_a_crash(at) == 2 for at in range(1, 20))
