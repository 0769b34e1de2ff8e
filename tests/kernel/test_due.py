"""Rows that owe something: claimed once, fenced, and never forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.kernel.db import lock, now, transaction
from gateway.kernel.due import (
    BACKOFF_CAP_SECONDS,
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    SLOW_SECONDS,
    backoff,
    claim,
    is_due,
    is_ours,
    postpone,
    settle,
)
from gateway.payments import service as payments
from gateway.payments.models import Payment
from gateway.processor.types import CheckoutSession, Refused, Unanswered
from gateway.settlement import apply as settlement

from .support import ACTOR, at_once, made, payment


def claimed(row, when=None):
    with transaction(actor=ACTOR) as tx:
        return claim(tx, Payment, row.id, when=when)


def read(row):
    with transaction(actor=ACTOR) as tx:
        return tx.get_one(Payment, row.id)


def clock():
    with transaction(actor=ACTOR) as tx:
        return now(tx)


def due_ids():
    with transaction(actor=ACTOR) as tx:
        return list(tx.scalars(select(Payment.id).where(is_due(Payment))))


def session(payment_id):
    return CheckoutSession(
        id="cs_test_1",
        status="open",
        url="https://checkout.stripe.com/c/pay/cs_test_1",
        amount_total=1999,
        currency="EUR",
        livemode=False,
        payment_id=payment_id,
        intent=None,
    )


def test_a_claim_takes_the_lease_and_leaves_the_due_time(shop):
    row = made(payment, shop)

    taken = claimed(row)

    after = read(row)
    assert (after.lease, after.attempts, after.due_at) == (1, 1, row.due_at)
    assert after.leased_until == taken.at + timedelta(seconds=LEASE_SECONDS)
    assert (taken.lease, taken.attempts, taken.due_at) == (1, 1, row.due_at)


def test_a_claimed_row_is_neither_due_nor_claimed_again(shop):
    row = made(payment, shop)
    assert due_ids() == [row.id]

    claimed(row)

    assert due_ids() == []
    assert claimed(row) is None


def test_a_row_that_owes_nothing_is_not_claimed(shop):
    assert claimed(made(payment, shop, due_at=None)) is None


def test_a_row_that_is_due_later_is_claimed_later(shop, advance):
    row = made(payment, shop, due_at=clock() + timedelta(hours=1))
    assert claimed(row) is None

    advance(3601)

    assert claimed(row).lease == 1


def test_a_row_that_does_not_meet_the_conditions_is_left_alone(shop):
    row = made(payment, shop)

    assert claimed(row, Payment.stripe_session_id.is_not(None)) is None

    assert (read(row).lease, read(row).attempts) == (0, 0)


def test_a_row_that_is_not_there_is_not_claimed(database):
    with transaction(actor=ACTOR) as tx:
        assert claim(tx, Payment, "pay_nowhere") is None


def test_eight_at_once_claim_one_row_once(shop):
    row = made(payment, shop)

    taken = at_once(8, lambda _: claimed(row))

    assert sum(each is not None for each in taken) == 1
    assert (read(row).lease, read(row).attempts) == (1, 1)


def test_a_claim_does_not_wait_for_a_row_that_is_held(shop):
    row = made(payment, shop)
    with transaction(actor=ACTOR) as tx:
        lock(tx, Payment, row.id)

        assert at_once(1, lambda _: claimed(row)) == [None]


def test_the_lease_number_grows_with_every_claim(shop, advance):
    row = made(payment, shop)
    leases = []

    for _ in range(3):
        leases.append(claimed(row).lease)
        advance(LEASE_SECONDS + 1)

    assert leases == [1, 2, 3]


def test_a_lease_that_has_ended_can_be_claimed(shop, advance):
    row = made(payment, shop)
    claimed(row)

    advance(LEASE_SECONDS - 2)
    assert claimed(row) is None
    advance(3)

    assert claimed(row).lease == 2


def test_a_settled_row_owes_nothing_and_forgets_its_troubles(shop, sql):
    row = made(payment, shop)
    sql("UPDATE payments SET attempts = 7, needs_attention = 'look'")
    taken = claimed(row)

    with transaction(actor=ACTOR) as tx:
        settle(tx, lock(tx, Payment, row.id), taken, due_in=None)

    after = read(row)
    assert (after.due_at, after.leased_until) == (None, None)
    assert (after.attempts, after.needs_attention, after.lease) == (0, None, 1)


def test_a_settled_row_can_be_due_again_later(shop):
    row = made(payment, shop)
    taken = claimed(row)

    with transaction(actor=ACTOR) as tx:
        settle(tx, lock(tx, Payment, row.id), taken, due_in=600)
        at = now(tx)

    assert read(row).due_at == at + timedelta(seconds=600)


@pytest.mark.parametrize("due_in", [None, 600])
def test_news_during_the_claim_survives_the_settling(shop, due_in):
    row = made(payment, shop)
    taken = claimed(row)
    with transaction(actor=ACTOR) as tx:
        payments.make_due(tx, row.id)
        at = now(tx)

    with transaction(actor=ACTOR) as tx:
        settle(tx, lock(tx, Payment, row.id), taken, due_in=due_in)

    assert read(row).due_at == at > row.due_at
    assert due_ids() == [row.id]


def test_news_during_the_claim_survives_a_failed_try(shop):
    row = made(payment, shop)
    taken = claimed(row)
    with transaction(actor=ACTOR) as tx:
        payments.make_due(tx, row.id)

    with transaction(actor=ACTOR) as tx:
        postpone(tx, lock(tx, Payment, row.id), taken, why="no answer")

    assert due_ids() == [row.id]
    assert read(row).attempts == 1


def test_who_lost_the_claim_is_told_so(shop, advance):
    row = made(payment, shop)
    first = claimed(row)
    advance(LEASE_SECONDS + 1)
    second = claimed(row)

    with transaction(actor=ACTOR) as tx:
        held = lock(tx, Payment, row.id)
        assert (is_ours(held, first), is_ours(held, second)) == (False, True)


@pytest.mark.parametrize(
    "write",
    [
        lambda tx, lost: settlement.apply(tx, lost, session(lost.row.id)),
        lambda tx, lost: settlement.refuse(tx, lost, Refused("bad_request", "No.")),
        lambda tx, lost: settlement.unanswered(tx, lost, Unanswered("late"), attention=True),
    ],
    ids=["an answer", "a refusal", "a silence"],
)
def test_a_lost_claim_writes_nothing(shop, advance, sql, history, write):
    row = made(payment, shop)
    lost = claimed(row)
    advance(LEASE_SECONDS + 1)
    claimed(row)
    before = sql("SELECT to_jsonb(p)::text FROM payments p")

    with transaction(actor=ACTOR) as tx:
        assert write(tx, lost) is False

    assert sql("SELECT to_jsonb(p)::text FROM payments p") == before
    assert history(row.id) == ["payment.created"]


def test_a_postponed_row_comes_back_after_the_backoff(shop, sql):
    row = made(payment, shop)
    sql("UPDATE payments SET attempts = 3")
    taken = claimed(row)

    with transaction(actor=ACTOR) as tx:
        postpone(tx, lock(tx, Payment, row.id), taken, why="no answer")
        at = now(tx)

    after = read(row)
    assert 8 * 0.8 <= (after.due_at - at).total_seconds() <= 8 * 1.2
    assert (after.attempts, after.leased_until, after.needs_attention) == (4, None, None)


def test_the_backoff_doubles_up_to_the_cap():
    for attempts, seconds in ((1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (MAX_ATTEMPTS, 60)):
        spread = [backoff(attempts) for _ in range(50)]
        assert seconds * 0.8 <= min(spread) < max(spread) <= seconds * 1.2
    assert BACKOFF_CAP_SECONDS == 60


def test_a_hopeless_row_becomes_hourly_and_says_why(shop, sql):
    row = made(payment, shop)
    sql("UPDATE payments SET attempts = :n", n=MAX_ATTEMPTS - 1)
    taken = claimed(row)

    with transaction(actor=ACTOR) as tx:
        postpone(tx, lock(tx, Payment, row.id), taken, why="Stripe does not answer.")
        at = now(tx)

    after = read(row)
    assert after.due_at == at + timedelta(seconds=SLOW_SECONDS)
    assert after.needs_attention == "Stripe does not answer."


def test_one_try_before_that_it_is_neither(shop, sql):
    row = made(payment, shop)
    sql("UPDATE payments SET attempts = :n", n=MAX_ATTEMPTS - 2)
    taken = claimed(row)

    with transaction(actor=ACTOR) as tx:
        postpone(tx, lock(tx, Payment, row.id), taken, why="no answer")
        at = now(tx)

    assert read(row).needs_attention is None
    assert (read(row).due_at - at).total_seconds() <= BACKOFF_CAP_SECONDS * 1.2


def test_a_wrong_configuration_asks_for_attention_at_once(shop):
    row = made(payment, shop)
    taken = claimed(row)

    with transaction(actor=ACTOR) as tx:
        postpone(tx, lock(tx, Payment, row.id), taken, why="The key is wrong.", attention=True)
        at = now(tx)

    assert read(row).needs_attention == "The key is wrong."
    assert read(row).due_at == at + timedelta(seconds=SLOW_SECONDS)


def test_a_row_whose_worker_always_dies_is_leased_for_an_hour_and_says_so(shop, advance):
    row = made(payment, shop)
    for _ in range(MAX_ATTEMPTS):
        assert claimed(row) is not None
        assert read(row).needs_attention is None
        advance(LEASE_SECONDS + 1)

    taken = claimed(row)

    after = read(row)
    assert after.leased_until == taken.at + timedelta(seconds=SLOW_SECONDS)
    assert after.needs_attention == "No try has come to an end."
    advance(LEASE_SECONDS + 1)
    assert claimed(row) is None
    advance(SLOW_SECONDS)
    assert claimed(row) is not None


def test_a_reason_that_is_known_is_kept_when_workers_die(shop, sql):
    row = made(payment, shop)
    sql("UPDATE payments SET attempts = :n, needs_attention = 'known'", n=MAX_ATTEMPTS)

    claimed(row)

    assert read(row).needs_attention == "known"


def test_a_success_after_trouble_is_quick_again(shop, sql):
    row = made(payment, shop)
    sql("UPDATE payments SET attempts = :n, needs_attention = 'known'", n=MAX_ATTEMPTS + 5)
    taken = claimed(row)
    with transaction(actor=ACTOR) as tx:
        settle(tx, lock(tx, Payment, row.id), taken, due_in=0)

    again = claimed(row)

    assert (again.attempts, read(row).needs_attention) == (1, None)
    assert read(row).leased_until == again.at + timedelta(seconds=LEASE_SECONDS)
