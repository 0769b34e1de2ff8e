"""What the handbook promises of a restore: the payments of the backup end as Stripe says."""

import pytest
from tests_support import forget

from gateway.dev import embedded
from gateway.kernel import runs
from gateway.kernel.db import transaction


@pytest.fixture
def backup(servers, database):
    """Copy the database as it stands; returns the address of the copy."""
    names = []

    def copy():
        name = database.rpartition("/")[2].partition("?")[0]
        names.append(f"{name}_restored")
        forget()  # nobody may be connected to what is copied
        embedded.clone_database(servers.postgres, name, names[-1])
        return database.replace(name, names[-1])

    yield copy
    forget()
    for name in names:
        embedded.drop_database(servers.postgres, name)


def test_after_a_restore_reconciliation_brings_every_payment_to_where_it_is(
    client, shop, stripe, drain, advance, backup, monkeypatch
):
    def buy(order_id):
        body = {"order_id": order_id, "amount": 1999, "currency": "EUR"}
        return client.post("/api/v1/payments", json=body, headers=shop.headers).json["id"]

    def read(payment_id):
        return client.get(f"/api/v1/payments/{payment_id}", headers=shop.headers).json

    opened = buy("opened-before-the-backup")
    drain()
    asked = buy("recorded-before-the-backup")
    restored = backup()
    drain()
    for payment_id in (opened, asked):
        stripe.pay(read(payment_id)["checkout_url"])

    # The disk is lost. Nothing that came after the backup is known, no webhook will come again.
    monkeypatch.setenv("DATABASE_URL", restored)
    forget()
    assert [read(payment_id)["status"] for payment_id in (opened, asked)] == [
        "requires_action",
        "pending",
    ]
    with transaction(actor="operator:restore") as tx:
        runs.start(tx, "reconcile")
    drain()
    advance(5)  # it asks about some twenty a second
    drain()

    assert [read(payment_id)["status"] for payment_id in (opened, asked)] == ["succeeded"] * 2
    assert len(stripe.sessions(opened)) == len(stripe.sessions(asked)) == 1
