"""What differs from Stripe is found, called by its name, and mended only where Stripe is ahead."""

from gateway.reconciliation.models import Kind

TWENTY = 20


def test_where_nothing_differs_nothing_is_found(books):
    paid, open = books.paid(3), books.open(2, "open")
    books.later(60)

    found = books.reconcile()

    assert found.rows == []
    assert found.run.status == "succeeded"
    assert found.run.done == found.run.total == 5
    assert books.status(paid) == {"succeeded"}
    assert books.status(open) == {"requires_action"}


def test_stripe_ahead_is_believed_and_named(books, history):
    ids = books.open(3)
    books.pay(ids)

    found = books.reconcile()

    assert books.status(ids) == {"succeeded"}
    assert found.named() == [("state_differs", id, "fixed") for id in sorted(ids)]
    row = found.rows[0]
    assert (row.ours["status"], row.theirs["status"]) == ("requires_action", "succeeded")
    assert row.handled_by == found.run.id
    assert row.reason == "Here it is requires_action, at Stripe succeeded."
    assert history(ids[0]) == ["payment.created", "payment.requires_action", "payment.succeeded"]
    assert books.reconcile().rows == []


def test_seven_classes_of_drift_are_found_and_nothing_is_invented(books, superuser):
    """Twenty of each, planted on either side, and as many clean ones among them."""
    by_kind = {kind: books.open(TWENTY, kind) for kind in Kind}
    books.pay([id for ids in by_kind.values() for id in ids])
    books.reconcile()
    clean = by_kind[Kind.MISSING_HERE]
    for number, id in enumerate(by_kind[Kind.MISSING_THERE]):
        books.stripe.lever("DELETE", f"objects/{books.session(id)}")
        if number % 2:
            books.stripe.lever("DELETE", f"objects/{books.intent(id)}")
    for id in by_kind[Kind.STATE_DIFFERS]:
        superuser.execute("UPDATE payments SET status = 'expired' WHERE id = %s", (id,))
    for number, id in enumerate(by_kind[Kind.AMOUNT_DIFFERS]):
        if number % 2:
            books.change(books.intent(id), amount=1998, amount_received=1998)
        else:
            superuser.execute("UPDATE payments SET amount_captured = 1 WHERE id = %s", (id,))
    for id in by_kind[Kind.CURRENCY_DIFFERS]:
        books.change(books.intent(id), currency="usd")
    for id in by_kind[Kind.DUPLICATE]:
        books.stripe.lever("POST", f"objects/{books.intent(id)}/copies")
    for number, id in enumerate(by_kind[Kind.REFUND_SUM_DIFFERS]):
        if number % 2:
            books.stripe.post("refunds", payment_intent=books.intent(id), amount="500")
        else:
            superuser.execute("UPDATE payments SET amount_refunded = 1 WHERE id = %s", (id,))
    strangers = [
        books.stripe.lever("POST", f"objects/{books.intent(id)}/copies", metadata={})["id"]
        for id in clean
    ]

    found = books.reconcile()

    subjects = {kind: {row.subject for row in found.of(kind)} for kind in Kind}
    assert subjects[Kind.MISSING_HERE] == set(strangers)
    assert subjects[Kind.MISSING_THERE] == set(by_kind[Kind.MISSING_THERE])
    assert {row.payment_id for row in found.of(Kind.DUPLICATE)} == set(by_kind[Kind.DUPLICATE])
    for kind in (
        *(Kind.STATE_DIFFERS, Kind.AMOUNT_DIFFERS),
        *(Kind.CURRENCY_DIFFERS, Kind.REFUND_SUM_DIFFERS),
    ):
        assert subjects[kind] == set(by_kind[kind]), kind
    assert len(found.rows) == 7 * TWENTY
    fixed = {row.kind for row in found.rows if row.status == "fixed"}
    assert fixed == {"state_differs", "refund_sum_differs"}
    assert books.status(by_kind[Kind.CURRENCY_DIFFERS]) == {"review"}
    assert books.reconcile().rows == []


def test_a_page_that_is_open_for_a_payment_at_its_end_is_named_and_closed(books, superuser):
    (id,) = books.open(1)
    superuser.execute("UPDATE payments SET status = 'expired', due_at = NULL WHERE id = %s", (id,))

    (row,) = books.reconcile().rows
    assert (row.kind, row.status, row.theirs["status"]) == (
        "state_differs",
        "open",
        "requires_action",
    )

    books.drain()
    assert books.stripe.get(f"checkout/sessions/{books.session(id)}")["status"] == "expired"
    books.reconcile()
    assert books.call("GET", f"discrepancies/{row.id}")["status"] == "fixed"


def test_what_is_just_being_ended_differs_in_nothing(books):
    ids = books.open(2)
    for id in ids:
        books.call("POST", f"payments/{id}/cancel")

    assert books.reconcile().rows == []
    assert books.status(ids) == {"cancelled"}


def test_a_late_success_of_which_no_word_came_is_believed(books):
    """Given up, its page paid all the same, and every webhook of that lost."""
    (id,) = books.open(1)
    books.call("POST", f"payments/{id}/cancel")
    books.drain()
    assert books.status([id]) == {"cancelled"}
    books.stripe.lever("POST", f"sessions/{books.session(id)}/complete", force=True)

    found = books.reconcile()

    assert [(row.kind, row.status) for row in found.rows] == [("state_differs", "fixed")]
    assert books.status([id]) == {"succeeded"}
    assert books.call("GET", "orders/o-0")["status"] == "payment_done"
