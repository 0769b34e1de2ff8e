"""Everybody who has a part in a payment, and all that must hold whatever they do.

The rows are read past the code, by a superuser who also empties the tables between two runs.
"""

import random
import time
from typing import Any

from sqlalchemy import text
from tests_support import tell

from gateway.kernel import db, limits, runs
from gateway.kernel.db import transaction
from gateway.kernel.heartbeats import Pulse, beat
from gateway.reconciliation.invariants import INVARIANTS
from workers.app import app
from workers.relay import Hint, Relay

KEPT = ("alembic_version", "transitions", "clock", "merchants", "api_keys")


class World:
    def __init__(self, superuser: Any, client: Any, shop: Any, stripe: Any) -> None:
        self.superuser, self.client, self.shop, self.stripe = superuser, client, shop, stripe
        self.told: set[str] = set()

    def begin(self) -> None:
        """As if nothing had ever happened; only time never goes back."""
        tables = sorted(set(db.Base.metadata.tables) - set(KEPT))
        self.superuser.execute("; ".join(f"DELETE FROM public.{each}" for each in tables))
        self.stripe.lever("POST", "reset")
        self.told = set()
        limits._pace.cache_clear()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        url = f"/api/v1/{path}"
        answer = self.client.open(url, method=method, json=body, headers=self.shop.headers)
        assert answer.status_code < 500, answer.text
        return answer

    def rows(self, statement: str) -> list[Any]:
        with db.engine().connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def advance(self, seconds: float) -> None:
        self.stripe.lever("POST", "clock", advance_s=seconds)
        with transaction(actor="test:clock") as tx:
            tx.execute(
                text("UPDATE clock SET offset_seconds = offset_seconds + :n"), {"n": seconds}
            )

    def hints(self) -> list[Hint]:
        found: list[Hint] = []
        with transaction(actor="test:heartbeat") as tx:
            beat(
                tx,
                *(
                    Pulse(f"test:{queue}", "worker", queue=queue, slots=50)
                    for queue in ("stripe", "callbacks", "clock")
                ),
            )
        relay = Relay(found.extend)
        relay.looked_overdue = time.monotonic()  # jobs start when a test starts them
        relay.run_once()
        return found

    def work(self, chance: random.Random | None = None) -> int:
        """What is due is done; with `chance` in any order, some of it never and some twice."""
        hints = self.hints()
        if chance is not None:
            hints = chance.sample(hints, chance.randint(0, len(hints)))
            hints += [hint for hint in hints if chance.random() < 0.2]
        for name, subject, _ in hints:
            app.tasks[name](subject)
        return len(hints)

    def tell(self, chance: random.Random) -> None:
        """Stripe's events so far, in any order, some twice and some not yet."""
        events = self.stripe.events()
        chosen = chance.sample(events, chance.randint(0, len(events)))
        for event in chosen[:8]:
            assert tell(self.client, event).status_code == 200
            self.told.add(event["id"])

    def tell_all(self) -> int:
        """Stripe repeats what was not heard; how much that was."""
        last: dict[str, str] = {}
        fresh: list[Any] = []
        while page := self.stripe.get("events", limit="100", **last)["data"]:
            fresh += [each for each in page if each["id"] not in self.told]
            last = {"starting_after": page[-1]["id"]}
        for event in reversed(fresh):
            assert tell(self.client, event).status_code == 200
            self.told.add(event["id"])
        return len(fresh)

    def quiet(self) -> None:
        """Time passes, and what nobody has told is told in the end: of a payment that has ended
        only news can say more.
        """
        for _ in range(40):
            while self.work():
                pass
            owed = self.rows(
                "SELECT min(due_at) - gateway_now() FROM ("
                " SELECT due_at FROM payments UNION ALL SELECT due_at FROM refunds"
                " UNION ALL SELECT due_at FROM captures) AS rows"
            )[0][0]
            if owed is not None and owed.total_seconds() < 80_000:  # a dispute is looked at daily
                self.advance(max(4 * 3600, owed.total_seconds()))  # a bank may take days
            elif not self.tell_all():
                break
        else:
            raise AssertionError("it never became quiet")
        with transaction(actor="test:reconcile") as tx:
            runs.start(tx, "reconcile")
        for _ in range(5):
            while self.work():
                pass
            self.advance(1)

    def check(self) -> None:
        for rule, statement in INVARIANTS.items():
            assert not (found := self.rows(statement)), f"not so that {rule}: {found}"
        self.check_pages()

    def check_pages(self) -> None:
        """At no time two pages are open on which one order could be paid."""
        orders = dict(self.rows("SELECT id, order_id FROM payments"))
        state = self.stripe.lever("GET", "state")["sessions"]
        payable = [
            orders[each["client_reference_id"]] for each in state if each["status"] == "open"
        ]
        assert len(payable) == len(set(payable)), "two open pages for one order"
