"""Stripe's balance beside our books: every line of it has its row here, and the sums are equal."""

import json
import re

import pytest
from tests_support import forget

from gateway.kernel import runs
from gateway.kernel.db import transaction
from gateway.payments.models import Resolution
from gateway.settlement import review
from workers.app import app

from .conftest import DAY, HOUR
from .test_list import page_made_elsewhere, pay, resolve, status
from .test_report import typed


def sums(found):
    """Currency -> type -> what they and we have, over all days."""
    totals = {}
    for day in found.run.params["sums"].values():
        for currency, types in day.items():
            for type, row in types.items():
                had = totals.setdefault((currency, type), [0, 0])
                had[0] += row["theirs"]
                had[1] += row["ours"] or 0
    return {key: tuple(pair) for key, pair in totals.items()}


def test_the_days_that_are_over_are_added_up_by_currency_and_type(books):
    paid = books.paid(3)
    books.paid(2, "yen", currency="JPY", amount=1500)
    books.call("POST", f"payments/{paid[0]}/refunds", {"amount": 500})
    books.drain()
    books.later(DAY)
    assert "Nothing was added up yet" in typed("balance").output

    found = books.reconcile("balance")

    assert found.run.status == "succeeded"
    assert found.rows == []
    assert sums(found) == {
        ("EUR", "charge"): (3 * 1999, 3 * 1999),
        ("EUR", "refund"): (-500, -500),
        ("JPY", "charge"): (3000, 3000),
    }
    shown = typed("balance").output
    assert re.match(r"(\d{4}-\d\d-\d\d 00:00) to (?!\1)\d{4}-\d\d-\d\d 00:00, added up at", shown)
    assert re.search(r"EUR  charge +3  Stripe +5997  here +5997  fees +\d+", shown)
    told = json.loads(typed("balance", "--json").output)
    assert (told["run"], len(told["days"])) == (found.run.id, 3)


def test_a_day_that_is_not_over_is_left_for_tomorrow(books):
    books.paid(1)

    assert books.reconcile("balance").run.params["sums"] == {}
    assert "no lines" in typed("balance").output


def test_a_line_that_differs_is_brought_up_and_closed_when_it_does_not(books, superuser):
    first, _ = books.paid(2)
    superuser.execute("UPDATE payments SET amount_captured = 1 WHERE id = %s", (first,))
    books.later(DAY)

    found = books.reconcile("balance")

    (row,) = found.rows
    assert (row.kind, row.payment_id, row.status) == ("amount_differs", first, "open")
    assert (row.ours, row.theirs["amount"]) == ({"amount": 1, "currency": "EUR"}, 1999)
    assert sums(found)["EUR", "charge"] == (2 * 1999, 2000)

    superuser.execute("UPDATE payments SET amount_captured = 1999 WHERE id = %s", (first,))
    books.reconcile("balance")
    assert books.call("GET", f"discrepancies/{row.id}")["status"] == "fixed"


@pytest.mark.parametrize("jobs", [("balance", "reconcile"), ("reconcile", "balance")])
def test_money_of_nobody_here_is_brought_up_once_by_both_runs(books, jobs):
    books.paid(1)
    intent = pay(books, page_made_elsewhere(books))
    books.later(DAY)

    (row,) = [row for job in jobs for row in books.reconcile(job).rows]

    assert (row.kind, row.subject, row.payment_id) == ("missing_here", intent, None)


def test_a_second_charge_is_named_though_the_account_has_other_business(books, monkeypatch):
    monkeypatch.setenv("GATEWAY_STRIPE_SHARED", "true")
    forget()
    (id,) = books.paid(1)
    pay(books, page_made_elsewhere(books))
    intent = pay(books, page_made_elsewhere(books, id))
    books.later(DAY)

    (row,) = books.reconcile("balance").rows

    assert (row.kind, row.subject, row.payment_id) == ("duplicate", intent, id)


def test_a_payment_that_differs_is_named_once_by_both_runs(books, superuser):
    (id,) = books.paid(1)
    superuser.execute("UPDATE payments SET amount_captured = 1 WHERE id = %s", (id,))
    books.later(DAY)

    (row,) = [row for job in ("reconcile", "balance") for row in books.reconcile(job).rows]

    assert (row.kind, row.subject) == ("amount_differs", id)
    resolve(row)
    assert books.reconcile("balance").rows == []


def test_what_changed_since_it_was_resolved_is_named(books, superuser):
    (id,) = books.paid(1)
    superuser.execute("UPDATE payments SET amount_captured = 1 WHERE id = %s", (id,))
    (row,) = books.reconcile().rows
    resolve(row)
    books.later(5 * HOUR)
    books.reconcile()
    superuser.execute("UPDATE payments SET amount_captured = 500 WHERE id = %s", (id,))
    books.later(DAY)

    (again,) = books.reconcile("balance").rows

    assert (again.kind, again.payment_id, again.ours["amount"]) == ("amount_differs", id, 500)


@pytest.mark.parametrize("job", ["reconcile", "balance"])
def test_money_that_came_and_went_is_told_to_nobody(books, job):
    (id,) = books.paid(1)
    for payment_id in (id, None):
        intent = pay(books, page_made_elsewhere(books, payment_id))
        books.stripe.post("refunds", payment_intent=intent)
    books.later(DAY)

    assert [row for row in books.reconcile(job).rows if row.status == "open"] == []


def test_the_first_money_of_a_payment_is_no_second_though_no_word_of_it_came(books):
    """The balance reads it before anybody has asked about the payment."""
    (id,) = books.open(1)
    books.pay([id])
    books.later(DAY)

    assert only_the_balance(books).rows == []

    books.drain()
    assert books.status([id]) == {"succeeded"}


def test_money_for_a_payment_that_was_given_up_is_named_once(books):
    """The balance cannot tell whose page it was, the hourly run can; one row is enough."""
    (id,) = books.open(1)
    books.call("POST", f"payments/{id}/cancel")
    books.drain()
    intent = pay(books, page_made_elsewhere(books, id))
    books.later(DAY)
    (row,) = only_the_balance(books).rows
    assert (row.kind, row.subject, row.payment_id) == ("missing_here", intent, id)

    assert [row for row in books.reconcile().rows if row.status == "open"] == []
    books.stripe.post("refunds", payment_intent=intent)
    books.reconcile()
    assert status(books, row) == "fixed"


def test_a_refund_of_which_no_word_came_is_named_and_fetched(books):
    (id,) = books.paid(1)
    books.stripe.post("refunds", payment_intent=books.intent(id), amount="500")
    books.later(DAY)

    (row,) = only_the_balance(books).rows

    assert (row.kind, row.payment_id) == ("missing_here", id)
    books.drain()
    assert books.read(id)["amount_refunded"] == 500
    books.reconcile("balance")
    assert status(books, row) == "fixed"


def only_the_balance(books):
    """Nothing else that is due is done."""
    with transaction(actor="test:run") as tx:
        run_id = runs.start(tx, "balance").id
    while books.found(run_id).run.status == "pending":
        app.tasks["clock.step"](run_id)
        books.move(1)
    return books.found(run_id)


def test_a_currency_that_an_operator_has_accepted_differs_in_nothing(books):
    (id,) = books.open(1)
    books.stripe.lever("POST", f"sessions/{books.session(id)}/complete", currency="usd")
    books.reconcile()
    with transaction(actor="operator:test") as tx:
        review.resolve(tx, id, Resolution.ACCEPT)
    books.drain()
    refund = books.call("POST", f"payments/{id}/refunds", {"amount": 500})
    books.drain()
    assert (books.status([id]), refund["currency"]) == ({"succeeded"}, "USD")
    books.later(DAY)

    assert books.reconcile("balance").rows == []
