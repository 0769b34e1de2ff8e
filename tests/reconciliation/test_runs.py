"""A run reads a window once, goes on after a death, and repairs what no webhook has told."""

from datetime import datetime, timedelta

import pytest

from gateway.kernel.crashpoints import Crash, arm
from workers.app import app

from .conftest import DAY, HOUR

FRAUD = "4000000000000259"


def test_a_day_without_any_webhook_is_repaired_by_one_run_and_each_payment_named(books):
    """Paid, refunded, disputed, declined and left alone; some were known before that day."""
    old = books.paid(6, "old", amount=2500)
    open_before = books.open(3, "slow")
    books.later(DAY / 2)
    paid = books.open(6, "paid")
    books.pay(paid)
    disputed = books.open(3, "disputed")
    for id in disputed:
        books.stripe.pay(books.read(id)["checkout_url"], FRAUD)
    books.pay(open_before)
    for id in old[:3]:
        books.stripe.post("refunds", payment_intent=books.intent(id), amount="1000")
    for id in old[3:]:
        books.stripe.lever("POST", "disputes", payment_intent=books.intent(id))
    books.later(DAY / 2)

    found = books.reconcile()

    named = {row.payment_id for row in found.rows}
    assert named == {*old, *open_before, *paid, *disputed}
    assert {row.status for row in found.rows} == {"fixed"}
    assert books.status([*paid, *open_before, *disputed]) == {"succeeded"}
    assert {books.read(id)["amount_refunded"] for id in old[:3]} == {1000}
    assert all(books.call("GET", f"payments/{id}/disputes")["data"] for id in [*disputed, *old[3:]])
    assert books.reconcile().rows == []


def test_missed_events_are_stored_and_told_apart(books, sql):
    ids = books.open(2)
    books.pay(ids)

    found = books.reconcile()

    assert found.run.params["read"]["events"] > 0
    assert sql("SELECT count(*) FROM stripe_events") == 0  # they may still be on their way
    books.later(HOUR)
    books.reconcile()
    assert sql("SELECT count(*) FROM stripe_events WHERE fetched") > 0
    assert sql("SELECT count(*) FROM stripe_events WHERE status <> 'processed'") == 0
    stored = sql("SELECT count(*) FROM stripe_events")
    books.reconcile()
    assert sql("SELECT count(*) FROM stripe_events") == stored


def test_the_next_run_goes_on_where_the_last_one_ended_and_reads_a_little_twice(books):
    books.paid(1)
    books.later(3 * HOUR)
    first = books.reconcile().run
    books.later(3 * HOUR)

    second = books.reconcile().run

    assert second.covers_since == first.covers_until - timedelta(hours=2)
    assert second.covers_until == second.created_at
    assert second.total == 0  # what is at an end and older is not asked about again


def test_an_old_payment_that_is_not_at_an_end_is_asked_about_by_itself(books):
    (id,) = books.paid(1, capture_method="manual")
    assert books.status([id]) == {"authorized"}
    books.later(DAY)
    books.reconcile()
    books.later(DAY)

    found = books.reconcile()

    assert found.run.params["read"]["sessions"] == 0
    assert found.run.params["read"]["singles"] == 1
    assert found.run.done == found.run.total == 1


def test_many_that_are_open_for_some_hours_are_read_by_the_page(books):
    ids = books.open(12)
    books.later(5 * HOUR)
    books.reconcile()
    books.later(3 * HOUR)

    read = books.reconcile().run.params["read"]

    assert (read["sessions"], read["intents"], read["singles"]) == (12, 0, 0)
    assert books.status(ids) == {"requires_action"}


def test_a_window_of_the_past_is_read_alone(books):
    books.paid(2)
    books.later(5 * HOUR)
    ids = books.open(1, "late")
    books.pay(ids)
    now = datetime.fromisoformat(books.read(ids[0])["created_at"])

    found = books.reconcile(
        since=(now - timedelta(hours=9)).isoformat(), until=(now - timedelta(hours=1)).isoformat()
    )

    assert found.run.params["read"]["sessions"] == 2
    assert {row.payment_id for row in found.of("state_differs")} == set(
        ids
    )  # not at an end, so of any age


def test_a_hole_of_months_is_read_although_later_time_was_compared(books):
    (id,) = books.paid(1)
    intent = books.intent(id)
    stray = books.stripe.lever("POST", f"objects/{intent}/copies", metadata={})["id"]
    books.later(70 * DAY)
    (recent,) = books.open(1, "recent")
    now = datetime.fromisoformat(books.read(recent)["created_at"])
    assert not books.reconcile(since=(now - timedelta(hours=9)).isoformat()).of("missing_here")

    found = books.reconcile()

    assert [row.subject for row in found.of("missing_here")] == [stray]
    whole, *left = books.call("GET", "reconciliations/coverage")["data"]
    assert whole["covered"]
    assert len(left) <= 1  # what has passed since the run began


def test_a_dry_run_tells_and_changes_nothing(books, sql):
    ids = books.open(2)
    books.pay(ids)
    before = sql("SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM payments p")

    found = books.reconcile(dry_run=True)

    assert found.rows == []
    told = [(each["kind"], each["subject"]) for each in found.run.params["found"]]
    assert sorted(told) == [("state_differs", id) for id in sorted(ids)]
    assert found.run.covers_until is None
    assert books.call("GET", f"reconciliations/{found.run.id}")["dry_run"] is True
    assert sql("SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM payments p") == before
    assert sql("SELECT count(*) FROM stripe_events") == 0
    assert len(books.reconcile().rows) == 2


def test_two_runs_at_once_do_no_harm(books, history):
    ids = books.open(3)
    books.pay(ids)
    from gateway.kernel import runs
    from gateway.kernel.db import transaction

    with transaction(actor="test:run") as tx:
        other = runs.start(tx, "reconcile").id
    first = books.reconcile()

    second = books.found(other)
    assert second.run.status == "succeeded"
    assert len(first.rows) + len(second.rows) == 3
    for id in ids:
        assert history(id).count("payment.succeeded") == 1


def test_a_run_that_dies_after_a_page_reads_it_again_and_names_each_once(books):
    ids = books.open(3)
    books.pay(ids)

    def dies(name):
        if name == "reconcile page read":
            arm(None)
            raise Crash(name)

    arm(dies)
    try:
        with pytest.raises(Crash):
            books.reconcile()
    finally:
        arm(None)
    books.move(61)
    books.drain()

    rows = books.call("GET", "discrepancies")["data"]
    assert sorted(row["payment_id"] for row in rows) == sorted(ids)
    assert books.call("GET", "reconciliations")["data"][0]["status"] == "succeeded"


def test_a_stripe_that_is_asked_too_often_is_left_in_peace_by_all(books, sql):
    books.open(1)
    books.stripe.faults(rate_limit_per_s=0.01)
    books.stripe.get("events")
    try:
        app.tasks["payments.refresh"](str(sql("UPDATE payments SET due_at = now() RETURNING id")))
    finally:
        books.stripe.lever("DELETE", "faults")

    ahead = sql("SELECT extract(epoch FROM free_at - clock_timestamp()) FROM stripe_pace")
    assert 1 < ahead <= 5


def test_the_accounts_other_business_is_not_ours_if_it_is_shared(books, monkeypatch):
    from tests_support import forget

    (id,) = books.paid(1)
    books.stripe.lever("POST", f"objects/{books.intent(id)}/copies", metadata={})
    monkeypatch.setenv("GATEWAY_STRIPE_SHARED", "true")
    forget()

    assert books.reconcile().rows == []

    monkeypatch.setenv("GATEWAY_STRIPE_SHARED", "false")
    forget()
    assert [row.kind for row in books.reconcile().rows] == ["missing_here"]
