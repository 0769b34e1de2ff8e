"""Runs that are kept from their end: by Stripe, by a fault of ours, by news in the wrong moment."""

from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest
from sqlalchemy import select

from gateway.kernel.crashpoints import arm
from gateway.kernel.db import now, transaction
from gateway.kernel.runs import Run
from gateway.payments.models import Payment
from gateway.processor import client, lists, pace
from gateway.processor.types import Refused, Unanswered
from gateway.reconciliation import service, subjects
from gateway.reconciliation.subjects import WITH_A_RUN
from gateway.settlement import apply as settlement
from workers.app import app

from .conftest import DAY, HOUR


@contextmanager
def without_answer(session_id):
    """Stripe fails whenever it is asked about this one."""
    real = client.fetch_session

    def fetch(asked):
        if asked == session_id:
            raise Unanswered("retrieve session: Stripe answered HTTP 500")
        return real(asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "fetch_session", fetch)
        yield


def waiting_for_a_run():
    with transaction(actor="test:look") as tx:
        return list(tx.scalars(select(Payment.id).where(WITH_A_RUN)))


def begun(books, **params):
    """The run that a worker is about to take up, or has."""
    from gateway.kernel import runs

    with transaction(actor="test:run") as tx:
        return runs.start(tx, "reconcile", params=params).id


def test_one_without_an_answer_keeps_no_other_waiting_and_the_run_ends(books, sql):
    ids = books.paid(15, capture_method="manual")
    books.later(2 * DAY)
    books.reconcile()  # from now on they are older than what is read by the page
    for id in ids:
        books.stripe.post(f"payment_intents/{books.intent(id)}/capture")

    with without_answer(books.session(ids[0])):
        found = books.reconcile(seconds=2000, step=61)

    assert found.run.status == "succeeded"
    assert "Not every payment had an answer" in found.run.error
    assert found.run.covers_until == found.run.created_at
    assert {row.payment_id for row in found.rows} == set(ids[1:])
    assert sql("SELECT count(*) FROM run_subjects") == 0
    books.move(HOUR)  # asked in vain so often, it rests
    books.drain()
    assert books.status(ids) == {"succeeded"}


@pytest.mark.parametrize("what", ["a fault", "stripe"])
def test_a_run_that_cannot_read_makes_room_for_the_next_and_holds_up_no_poll(
    books, monkeypatch, sql, what
):
    (id,) = books.open(1)
    real = lists.sessions

    def broken(*_):
        raise ValueError("not foreseen") if what == "a fault" else Unanswered("no answer")

    monkeypatch.setattr("workers.reconciliation.lists.sessions", broken)
    run_id = begun(books)
    seen = []
    for _ in range(70):
        with suppress(ValueError):
            books.drain()
        seen.append(waiting_for_a_run() == [id])
        if books.found(run_id).run.status != "pending":
            break
        books.move(61)

    run = books.found(run_id).run
    assert (run.status, run.covers_until, run.needs_attention) == ("failed", None, None)
    assert seen[0]
    assert not any(seen[5:])
    assert run.finished_at - run.created_at < timedelta(minutes=30)
    assert sql("SELECT count(*) FROM run_subjects") == 0
    monkeypatch.setattr("workers.reconciliation.lists.sessions", real)
    assert books.reconcile().run.status == "succeeded"


def test_one_that_cannot_be_written_down_keeps_no_other_from_being_compared(books, monkeypatch):
    ids = books.open(3)
    books.pay(ids)
    real = settlement.apply

    def apply(tx, claimed, session):
        if claimed.row.id == ids[1]:
            raise ValueError("not foreseen")
        return real(tx, claimed, session)

    monkeypatch.setattr(settlement, "apply", apply)

    found = books.reconcile(seconds=2500, step=61)

    assert (found.run.status, found.run.covers_until) == ("succeeded", found.run.created_at)
    assert "Not every payment had an answer" in found.run.error
    assert {row.payment_id for row in found.of("state_differs")} == {ids[0], ids[2]}


@pytest.mark.parametrize("fault", ["of ours", "a refusal"])
def test_a_run_that_is_tried_whenever_it_is_due_ends_in_time(books, monkeypatch, fault):
    """As the relay has it tried: with each wait that the run was given."""
    (id,) = books.paid(1, capture_method="manual")
    books.later(2 * DAY)
    books.reconcile()
    books.stripe.post(f"payment_intents/{books.intent(id)}/capture")

    def broken(*_):
        raise ValueError("not foreseen") if fault == "of ours" else Refused("http_400", "no")

    if fault == "of ours":
        monkeypatch.setattr(settlement, "apply", broken)
    else:
        monkeypatch.setattr(client, "fetch_session", broken)
    run_id = begun(books)
    while (run := books.found(run_id).run).status == "pending":
        app.tasks["clock.step"](run_id)
        with transaction(actor="test:look") as tx:
            wait = (tx.get_one(Run, run_id).due_at or now(tx)) - now(tx)
        books.move(max(0.0, wait.total_seconds()))

    assert run.status == "succeeded"
    assert run.finished_at - run.created_at < timedelta(minutes=25)


def test_very_many_are_left_to_the_polls_by_and_by_and_a_fault_in_that_costs_a_try(
    books, monkeypatch, sql
):
    books.open(5)
    real = subjects.leave_to_polls

    def no_list(*_):
        raise Unanswered("no answer")

    def fails_once(tx, run, **most):
        monkeypatch.setattr(subjects, "leave_to_polls", real)
        raise ValueError("not foreseen")

    monkeypatch.setattr("workers.reconciliation.lists.sessions", no_list)
    monkeypatch.setattr(subjects, "leave_to_polls", fails_once)
    monkeypatch.setattr(service, "LEFT_AT_ONCE", 2)
    run_id, left = begun(books), []
    for _ in range(80):
        with suppress(ValueError):
            app.tasks["clock.step"](run_id)
        left.append(sql("SELECT count(*) FROM run_subjects"))
        books.move(61)

    assert [number for number, _ in groupby(left)] == [5, 3, 1, 0]
    assert books.found(run_id).run.status == "failed"
    assert sql("SELECT count(*) FROM payments WHERE polled AND due_at <= gateway_now()") == 5


def test_a_run_that_nobody_has_tried_for_days_goes_on(books, monkeypatch):
    """Everything was switched off, or the clock was moved: that is no fault of the run's."""
    books.open(3)
    real = lists.sessions

    def switched_off(*_):
        monkeypatch.setattr("workers.reconciliation.lists.sessions", real)
        books.move(2 * DAY)
        raise Unanswered("no answer")

    monkeypatch.setattr("workers.reconciliation.lists.sessions", switched_off)

    assert books.reconcile().run.status == "succeeded"


def test_what_a_run_has_fetched_is_asked_about_though_the_run_is_given_up(books):
    """A refund of last week fails at Stripe, without a webhook, and nobody else will look."""
    (id,) = books.paid(1)
    refund = books.call("POST", f"payments/{id}/refunds")["id"]
    books.drain()
    books.later(2 * DAY)
    books.reconcile()
    theirs = books.stripe.get("refunds")["data"][0]["id"]
    books.stripe.lever("POST", f"refunds/{theirs}", status="failed")
    books.later(HOUR)

    with without_answer(books.session(id)):
        given_up = books.reconcile(seconds=2000, step=61).run
    assert given_up.error is not None
    books.move(61)
    books.drain()

    assert books.call("GET", f"refunds/{refund}")["status"] == "failed"


def test_news_between_a_question_and_its_answer_is_looked_at_again(books, sql):
    """Asked while the page was open; paid, and told so, before the answer was written down."""
    (id,) = books.open(1)
    books.later(5 * HOUR)
    books.reconcile()
    books.later(3 * HOUR)
    run_id = begun(books)

    def told(name):
        if name == "stripe list sessions after":
            arm(None)
            books.pay([id])
            sql("UPDATE payments SET due_at = gateway_now(), polled = false")

    arm(told)
    books.drain(only="clock.step")

    assert books.status([id]) == {"succeeded"}  # the run has asked once more
    assert books.found(run_id).run.status == "succeeded"


def test_a_stretch_that_nobody_has_compared_is_where_the_next_run_begins(books):
    books.paid(1)
    books.later(3 * HOUR)
    first = books.reconcile().run
    books.later(6 * HOUR)
    (now,) = books.open(1, "late")
    part = books.reconcile(part=True, since=(created(now) - timedelta(hours=1)).isoformat()).run
    assert part.covers_until > part.covers_since > first.covers_until

    second = books.reconcile().run

    assert second.covers_since == first.covers_until - timedelta(hours=2)


def test_what_was_compared_with_test_data_says_nothing_of_live_money(books, client, sql):
    (id,) = books.paid(1)
    assert client.get("/readyz").json["checks"]["reconciliation"]["covered_until"]
    sql("UPDATE runs SET params = jsonb_set(params, '{livemode}', 'true')")
    assert client.get("/readyz").json["checks"]["reconciliation"]["covered_until"] is None
    assert {each["covered"] for each in books.call("GET", "reconciliations/coverage")["data"]} == {
        False
    }

    again = books.reconcile().run

    assert again.covers_since == created(id)


def created(payment_id):
    with transaction(actor="test:look") as tx:
        return tx.get_one(Payment, payment_id).created_at


def test_a_window_is_never_wider_than_there_was_anything(books):
    (id,) = books.open(1)

    run = books.reconcile(since=datetime(1, 1, 1, tzinfo=UTC).isoformat()).run

    assert run.status == "succeeded"
    assert run.covers_since == created(id) - timedelta(hours=2)


def test_however_often_stripe_says_too_many_it_is_one_pause(database, sql):
    for _ in range(20):
        pace.hold_back()

    assert sql("SELECT extract(epoch FROM free_at - clock_timestamp()) FROM stripe_pace") <= 5


def test_a_dry_run_hurries_nobody_and_keeps_what_it_found_through_a_death(books, sql):
    ids = books.open(1)
    books.pay(ids)
    books.call("POST", "payments", {"order_id": "later", "amount": 500, "currency": "EUR"})
    sql("UPDATE payments SET due_at = gateway_now() + interval '600 s' WHERE due_at > '-infinity'")
    states = "SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM payments p"
    before = sql(states)

    begun(books, dry_run=True)
    books.drain(only="clock.step")

    assert sql(states) == before
    with transaction(actor="test:look") as tx:
        (run,) = tx.scalars(select(Run).filter_by(job="reconcile"))
        assert [each["subject"] for each in run.params["found"]] == ids


def test_an_open_row_is_looked_at_again_however_old_its_payment_is(books):
    (id,) = books.paid(1)
    books.change(books.intent(id), amount_received=5)
    (row,) = books.reconcile().rows
    assert (row.kind, row.status) == ("amount_differs", "open")
    books.later(2 * DAY)
    books.reconcile()
    books.change(books.intent(id), amount_received=1999)

    books.reconcile()

    assert books.call("GET", f"discrepancies/{row.id}")["status"] == "fixed"


def test_days_that_no_run_has_added_up_are_added_up_by_the_next(books):
    books.paid(1)
    books.later(DAY)
    assert books.reconcile("balance").run.status == "succeeded"
    books.paid(1, "then")
    books.later(6 * DAY)

    run = books.reconcile("balance").run

    days = [day for day, sums in sorted(run.params["sums"].items()) if sums]
    assert len(days) == 2
