"""Payments by the dozen, paid or not, and a run of reconciliation over them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from gateway.dev import embedded
from gateway.kernel import runs
from gateway.kernel.db import transaction
from gateway.kernel.runs import Run, RunStatus
from gateway.payments.models import Payment
from gateway.reconciliation.models import Discrepancy

HOUR, DAY = 3600, 86400


@dataclass
class Found:
    """What a run came to."""

    run: Run
    rows: list[Discrepancy] = field(default_factory=list)

    def of(self, kind: str) -> list[Discrepancy]:
        return [row for row in self.rows if row.kind == kind]

    def named(self) -> list[tuple[str, str, str]]:
        return sorted((row.kind, row.subject, row.status) for row in self.rows)


class Books:
    """A merchant's server, her shoppers, and the clock, in a few words."""

    def __init__(self, client: Any, shop: Any, stripe: Any, drain: Any, advance: Any) -> None:
        self.client, self.shop, self.stripe = client, shop, stripe
        self.drain, self.move = drain, advance

    def call(self, method: str, path: str, body: Any = None) -> Any:
        url = f"/api/v1/{path}"
        answer = self.client.open(url, method=method, json=body, headers=self.shop.headers)
        assert answer.status_code < 300, answer.text
        return answer.json

    def open(self, count: int, name: str = "o", **changes: Any) -> list[str]:
        """So many payments whose pages are open."""
        body = {"amount": 1999, "currency": "EUR"} | changes
        ids = [
            self.call("POST", "payments", body | {"order_id": f"{name}-{number}"})["id"]
            for number in range(count)
        ]
        self.drain()
        return ids

    def pay(self, ids: list[str]) -> None:
        """The shopper pays; no webhook comes."""
        for payment_id in ids:
            assert self.stripe.pay(self.read(payment_id)["checkout_url"]) == 303

    def paid(self, count: int, name: str = "o", **changes: Any) -> list[str]:
        """So many that were paid, and of which everything is known here."""
        ids = self.open(count, name, **changes)
        self.pay(ids)
        self.reconcile()
        return ids

    def read(self, payment_id: str) -> Any:
        return self.call("GET", f"payments/{payment_id}")

    def status(self, ids: list[str]) -> set[str]:
        return {self.read(payment_id)["status"] for payment_id in ids}

    def session(self, payment_id: str) -> str:
        return str(self._known("stripe_session_id", payment_id))

    def intent(self, payment_id: str) -> str:
        return str(self._known("stripe_intent_id", payment_id))

    def _known(self, column: str, payment_id: str) -> str | None:
        with transaction(actor="test:look") as tx:
            found: str | None = tx.scalar(select(getattr(Payment, column)).filter_by(id=payment_id))
            return found

    def change(self, id: str, **fields: Any) -> None:
        self.stripe.lever("PATCH", f"objects/{id}", **fields)

    def later(self, seconds: float) -> None:
        self.stripe.lever("POST", "clock", advance_s=seconds)
        self.move(seconds)

    def reconcile(
        self, job: str = "reconcile", *, seconds: int = 60, step: int = 1, **params: Any
    ) -> Found:
        """Until the run has ended, or so many seconds of the clock are over."""
        with transaction(actor="test:run") as tx:
            run_id = runs.start(tx, job, params=params).id
        for _ in range(0, seconds, step):
            self.drain()
            found = self.found(run_id)
            if found.run.status != RunStatus.PENDING:
                return found
            self.move(step)
        raise AssertionError(f"{job} did not come to its end: {found.run.params}")

    def found(self, run_id: str) -> Found:
        with transaction(actor="test:look") as tx:
            rows = select(Discrepancy).filter_by(run_id=run_id).order_by(Discrepancy.id)
            return Found(tx.get_one(Run, run_id), list(tx.scalars(rows)))


@pytest.fixture
def superuser(database: str, servers: Any) -> Iterator[Any]:
    """A hand that no guard holds back."""
    name = database.rpartition("/")[2].partition("?")[0]
    with embedded.superuser(servers.postgres, name) as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor


@pytest.fixture
def books(client: Any, shop: Any, stripe: Any, drain: Callable[..., int], advance: Any) -> Books:
    """Both clocks tell one time: other tests may have moved Stripe's."""
    advance(stripe.lever("POST", "clock", advance_s=0)["offset_seconds"])
    return Books(client, shop, stripe, drain, advance)
