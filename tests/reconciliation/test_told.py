"""What somebody was told of is asked about by every run, however old it is, until it is over."""

import pytest
from tests_support import forget

from gateway.kernel.db import transaction
from gateway.payments import service as payments
from gateway.processor import lists
from gateway.processor.types import Unanswered
from gateway.reconciliation.models import Discrepancy

from .conftest import DAY, HOUR
from .test_list import page_made_elsewhere, pay, resolve, status

DECLINED = "4000000000000002"


def after_the_window(books):
    """What was made before is in no page of the next run."""
    books.later(5 * HOUR)
    books.reconcile()
    books.later(4 * HOUR)


def test_a_second_page_that_is_expired_late_is_over(books):
    (id,) = books.paid(1)
    second = page_made_elsewhere(books, id)
    (page,) = books.reconcile().rows
    after_the_window(books)
    assert status(books, page) == "open"

    books.stripe.post(f"checkout/sessions/{second['id']}/expire")

    assert books.reconcile().rows == []
    assert status(books, page) == "fixed"


@pytest.fixture(params=["false", "true"])
def shared(request, monkeypatch):
    """Whether others take money by the same account at Stripe."""
    monkeypatch.setenv("GATEWAY_STRIPE_SHARED", request.param)
    forget()


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("seen_to", [False, True])
def test_a_second_page_that_is_paid_late_is_named_as_money(books, seen_to):
    (id,) = books.open(1)
    second = page_made_elsewhere(books, id)
    books.stripe.pay(second["url"], DECLINED)
    (page,) = books.reconcile().rows
    if seen_to:
        resolve(page)
    after_the_window(books)
    intent = pay(books, second)

    (charge,) = [row for row in books.reconcile().rows if row.status == "open"]

    assert (charge.subject, charge.payment_id, charge.status) == (intent, id, "open")
    assert status(books, page) == ("resolved" if seen_to else "fixed")
    books.later(DAY)
    assert books.reconcile("balance").rows == []
    assert [row for row in books.reconcile().rows if row.status == "open"] == []


def test_money_whose_webhook_named_an_unpaid_payment_stays_told(books):
    (id,) = books.open(1)
    second = page_made_elsewhere(books, id)
    books.reconcile()
    intent = pay(books, second)
    with transaction(actor="test:webhook") as tx:
        payments.make_due(tx, id, intent_id=intent)
    (charge,) = [row for row in books.reconcile().rows if row.status == "open"]
    assert (charge.kind, charge.subject) == ("duplicate", intent)
    after_the_window(books)
    books.reconcile()
    assert status(books, charge) == "open"

    books.later(DAY)
    assert books.reconcile("balance").rows == []
    books.stripe.post("refunds", payment_intent=intent)
    books.reconcile()
    assert status(books, charge) == "fixed"


def test_money_of_nobody_that_is_let_go_is_over(books):
    (id,) = books.paid(1, capture_method="manual")
    copy = books.stripe.lever("POST", f"objects/{books.intent(id)}/copies", metadata={})["id"]
    (row,) = books.reconcile().rows
    assert (row.kind, row.theirs["status"]) == ("missing_here", "requires_capture")
    after_the_window(books)
    assert status(books, row) == "open"

    books.change(copy, status="canceled")

    books.reconcile()
    assert status(books, row) == "fixed"


@pytest.mark.parametrize("fault", [Unanswered("Stripe answered HTTP 500"), ValueError("ours")])
def test_one_that_cannot_be_settled_ends_no_run_and_keeps_no_other_open(books, monkeypatch, fault):
    books.paid(1)
    silent, other = (pay(books, page_made_elsewhere(books)) for _ in range(2))
    rows = {row.subject: row for row in books.reconcile().rows}
    after_the_window(books)
    for intent in (silent, other):
        books.stripe.post("refunds", payment_intent=intent)
    real = lists.intent

    def ask(intent):
        if intent == silent:
            raise fault
        return real(intent)

    monkeypatch.setattr(lists, "intent", ask)

    assert books.reconcile().run.status == "succeeded"
    assert (status(books, rows[silent]), status(books, rows[other])) == ("open", "fixed")


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("seen_to", [False, True])
def test_what_could_not_be_given_back_is_told_again(books, seen_to):
    (id,) = books.paid(1)
    intent = pay(books, page_made_elsewhere(books, id))
    (first,) = books.reconcile().rows
    after_the_window(books)
    refund = books.stripe.post("refunds", payment_intent=intent)
    if seen_to:
        resolve(first)
    books.reconcile()
    assert status(books, first) == ("resolved" if seen_to else "fixed")
    after_the_window(books)

    books.stripe.lever("POST", f"refunds/{refund['id']}", status="failed")
    books.later(DAY)
    (again,) = books.reconcile("balance").rows

    assert (again.kind, again.subject, again.payment_id) == ("duplicate", intent, id)
    assert "has come back" in again.reason
    assert books.reconcile().rows == []
    assert status(books, again) == "open"
    books.stripe.post("refunds", payment_intent=intent)
    books.reconcile()
    assert status(books, again) == "fixed"
    assert books.reconcile("balance").rows == []


def test_an_open_row_of_the_balance_tells_how_it_is_now(books):
    (id,) = books.paid(1)
    intent = pay(books, page_made_elsewhere(books, id))
    books.later(DAY)
    (row,) = books.reconcile("balance").rows
    books.stripe.post("refunds", payment_intent=intent, amount=500)

    assert books.reconcile().rows == []

    shown = books.call("GET", f"discrepancies/{row.id}")
    assert (shown["status"], shown["theirs"]["refunded"]) == ("open", 500)


def test_a_resolved_page_is_not_new_because_a_card_was_declined_there(books):
    (id,) = books.paid(1)
    second = page_made_elsewhere(books, id)
    (page,) = books.reconcile().rows
    resolve(page)

    books.stripe.pay(second["url"], DECLINED)

    assert books.reconcile().rows == []


def test_rows_of_other_business_close_once_the_account_is_known_to_have_some(books, monkeypatch):
    books.paid(1)
    stray = pay(books, page_made_elsewhere(books))
    asked = []
    real = lists.intent
    monkeypatch.setattr(lists, "intent", lambda intent: asked.append(intent) or real(intent))
    (row,) = books.reconcile().rows
    assert asked == []  # its page has just told it
    after_the_window(books)
    assert asked == [stray]
    monkeypatch.setenv("GATEWAY_STRIPE_SHARED", "true")
    forget()

    books.reconcile()

    with transaction(actor="test:look") as tx:
        closed = tx.get_one(Discrepancy, row.id)
    assert (closed.status, closed.how) == ("fixed", "It is of the account's other business.")


def test_no_more_than_so_many_are_asked_about_the_newest_first(books, monkeypatch):
    books.paid(1)
    strays = [pay(books, page_made_elsewhere(books)) for _ in range(5)]
    rows = {row.subject: row for row in books.reconcile().rows}
    after_the_window(books)
    for intent in strays:
        books.stripe.post("refunds", payment_intent=intent)
    monkeypatch.setattr("workers.reconciliation.MOST_TOLD", 2)
    monkeypatch.setattr("workers.reconciliation.SINGLES_PER_STEP", 1)

    read = books.reconcile().run.params["read"]

    in_order = [row.subject for row in sorted(rows.values(), key=lambda row: row.id)]
    assert read["told"] == 2
    states = [status(books, rows[intent]) for intent in in_order]
    assert states == ["open", "open", "open", "fixed", "fixed"]


def test_an_open_row_tells_how_it_is_now(books):
    (id,) = books.paid(1)
    books.change(books.intent(id), amount_received=5)
    (row,) = books.reconcile().rows
    assert row.reason.endswith("(1999 of it taken), at Stripe to 1999 (5).")

    books.change(books.intent(id), amount_received=100)
    books.reconcile()

    shown = books.call("GET", f"discrepancies/{row.id}")
    assert (shown["status"], shown["theirs"]["captured"]) == ("open", 100)
    assert shown["reason"].endswith("at Stripe to 1999 (100).")
    resolve(row)
    assert books.reconcile().rows == []


def test_a_dry_run_tells_of_it_and_changes_nothing(books):
    (id,) = books.paid(1)
    second = page_made_elsewhere(books, id)
    (page,) = books.reconcile().rows
    after_the_window(books)
    assert [each["subject"] for each in told(books)] == [second["id"]]

    books.stripe.post(f"checkout/sessions/{second['id']}/expire")

    assert told(books) == []
    assert status(books, page) == "open"


def test_a_second_page_paid_for_an_unpaid_payment_is_told_as_it_is(books):
    (id,) = books.open(1)
    second = page_made_elsewhere(books, id)
    books.reconcile()
    intent = pay(books, second)
    (charge,) = [row for row in books.reconcile().rows if row.status == "open"]
    after_the_window(books)
    assert [each["subject"] for each in told(books)] == [intent]

    books.stripe.post("refunds", payment_intent=intent, amount=500)
    assert books.reconcile().rows == []

    assert books.call("GET", f"discrepancies/{charge.id}")["theirs"]["refunded"] == 500


def told(books):
    return books.reconcile(dry_run=True).run.params["found"]
