"""What is in the list is told once, and goes when it is over: nobody acts twice on one row."""

import threading

import pytest

from gateway.dev.walk import wait_for
from gateway.kernel.db import transaction
from gateway.reconciliation import discrepancies
from gateway.reconciliation.models import Discrepancy

from .conftest import DAY, HOUR
from .test_report import typed

PAGE = {
    "mode": "payment",
    "success_url": "https://shop.example/done",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "1999",
    "line_items[0][price_data][product_data][name]": "Tea",
}


def page_made_elsewhere(books, payment_id=None):
    """By a hand at Stripe; for a payment of ours, or for nobody's."""
    named = {
        "client_reference_id": payment_id,
        "payment_intent_data[metadata][payment_id]": payment_id,
    }
    return books.stripe.post("checkout/sessions", **PAGE, **(named if payment_id else {}))


def pay(books, page):
    assert books.stripe.pay(page["url"]) == 303
    return books.stripe.get(f"checkout/sessions/{page['id']}")["payment_intent"]


def status(books, row):
    """Asked for here, and not in the API, because what is nobody's is shown to no merchant."""
    with transaction(actor="test:look") as tx:
        return tx.get_one(Discrepancy, row.id).status


def resolve(row):
    assert typed("discrepancies", "--resolve", row.id, "--how", "Seen to.").exit_code == 0


def test_a_second_charge_is_told_once_and_is_over_when_it_was_given_back(books):
    (id,) = books.paid(1)
    second = page_made_elsewhere(books, id)
    (page,) = books.reconcile().rows
    assert (page.kind, page.subject) == ("duplicate", second["id"])

    intent = pay(books, second)
    (charge,) = books.reconcile().rows

    assert (charge.kind, charge.subject, charge.payment_id) == ("duplicate", intent, id)
    assert status(books, page) == "fixed"  # nobody can pay there any more
    books.later(DAY)
    assert books.reconcile("balance").rows == []
    books.later(5 * HOUR)
    books.reconcile()
    books.stripe.post("refunds", payment_intent=intent)
    books.reconcile()
    assert status(books, charge) == "fixed"
    books.later(DAY)
    assert books.reconcile("balance").rows == []


def test_two_runs_that_find_it_over_at_once_say_so_once(books, sql):
    books.paid(1)
    intent = pay(books, page_made_elsewhere(books))
    found = books.reconcile()
    resolve(found.rows[0])
    first_is_in, may_end = threading.Event(), threading.Event()

    def agree(*, waiting=True):
        with transaction(actor="test:run") as tx:
            discrepancies.agree(tx, found.run, [intent])
            first_is_in.set()
            assert not waiting or may_end.wait(10)

    first, second = (threading.Thread(target=agree, kwargs={"waiting": it}) for it in (True, False))
    first.start()
    assert first_is_in.wait(10)
    second.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    wait_for("the second to wait", lambda: sql(waiting), seconds=10)
    may_end.set()
    first.join()
    second.join()

    about = f"SELECT count(*) FROM discrepancies WHERE subject = '{intent}' AND status = 'fixed'"
    assert sql(about) == 1


@pytest.mark.parametrize("job", ["reconcile", "balance"])
def test_money_of_nobody_that_was_seen_to_is_brought_up_by_no_job_again(books, job):
    books.paid(1)
    pay(books, page_made_elsewhere(books))
    books.later(DAY)
    (row,) = books.reconcile(job).rows
    assert row.kind == "missing_here"
    resolve(row)

    assert books.reconcile("balance").rows == []
    assert books.reconcile().rows == []
    assert typed("discrepancies", "--status", "open").output == "None of these is there.\n"


def test_what_was_seen_to_is_new_when_it_comes_again(books):
    (id,) = books.paid(1)
    books.change(books.intent(id), status="canceled", amount_received=0)
    (row,) = books.reconcile().rows
    assert (row.kind, row.status) == ("state_differs", "open")
    resolve(row)
    assert books.reconcile().rows == []

    books.change(books.intent(id), status="succeeded", amount_received=1999)
    (over,) = books.reconcile().rows
    assert (over.kind, over.status) == (row.kind, "fixed")
    assert books.reconcile().rows == []
    books.change(books.intent(id), status="canceled", amount_received=0)
    (again,) = books.reconcile().rows

    assert (again.kind, again.status) == (row.kind, "open")
    assert status(books, row) == "resolved"


def test_a_payment_whose_word_was_lost_is_named_by_one_run_only(books):
    books.pay(books.open(2))
    assert len(books.reconcile().rows) == 2

    books.later(HOUR)

    assert books.reconcile().rows == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("reconcile", "--until", "0001-01-01"), "before the first payment"),
        (("reconcile", "--until", "2000-01-01"), "before the first payment"),
        (("reconcile", "--timeout", "9" * 400), "range"),
        (("discrepancies", "--resolve", "dcr_1", "--how", " "), "printable"),
        (("discrepancies", "--resolve", "dcr_1", "--how", "x" * 1001), "printable"),
        (("discrepancies", "--resolve", "dcr_1", "--how", "x", "--by", "bob\nann"), "printable"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(books, words, said):
    books.open(1)

    result = typed(*words)

    assert result.exit_code == 2
    assert said in result.output
    assert typed("discrepancies", "--run", "run_of_nobody").output == "None of these is there.\n"
