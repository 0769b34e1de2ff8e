"""The order of news does not matter: each story ends in one way, however Stripe tells it.

`./run torture --permutations` plays every order; here is a sample of them. A failure names seed
and order. At the end the players are tried themselves: mistakes are planted, and found.
"""

from collections import Counter

import pytest
from tests_support import forget

from gateway.app import create_app
from gateway.dev.embedded import superuser
from gateway.dev.seed import seed
from gateway.dev.torture.permutations import Theatre, every, orders_of, sampled
from gateway.dev.torture.scenarios import SCENARIOS
from gateway.dev.torture.settings import SETTINGS
from gateway.dev.torture.stage import Stage
from gateway.dev.torture.stripe_side import stripe as own_stripe
from gateway.payments.models import PaymentStatus as S
from gateway.settlement import compensate, decide, refunding
from gateway.settlement.holding import family
from gateway.stripe_events import service as stripe_events

SEED, ORDERS, MORE = "7", 4, 30
NAMED = {each.name: each for each in SCENARIOS}


@pytest.fixture(scope="module")
def stripe_here():
    with own_stripe() as running:
        yield running


@pytest.fixture
def stage(servers, database, monkeypatch, stripe_here, caplog):
    caplog.set_level("ERROR")  # lines that nobody reads take their time
    for name, value in (SETTINGS | {"STRIPE_API_BASE": stripe_here.url}).items():
        monkeypatch.setenv(name, value)
    forget()
    seed()
    name = database.partition("?")[0].rpartition("/")[2]
    with superuser(servers.postgres, name) as cursor:
        made = Stage(cursor, create_app().test_client(), stripe_here)
        yield made
        made.close()


def violations(theatre, orders=MORE):
    """The first order that ends otherwise, in words."""
    for play in sampled(len(theatre.events), orders, SEED):
        if violation := theatre.play(play):
            return str(violation)
    return None


@pytest.mark.parametrize("name", NAMED)
def test_every_order_of_news_leads_to_one_ending(stage, name):
    theatre = Theatre(stage, NAMED[name], SEED)

    assert theatre.undeclared() == []
    assert violations(theatre, ORDERS) is None


def test_every_scenario_has_something_to_tell_in_another_order(stage):
    theatre = Theatre(stage, NAMED["paid"], SEED)

    assert len(theatre.events) == 4
    assert len({play.order for play in every(theatre.events, SEED)}) == orders_of(4) == 24
    repeated = list(sampled(4, MORE, SEED))
    assert len(set(repeated)) == MORE
    assert max(Counter(play.order for play in repeated).values()) == 2


def test_a_play_can_be_repeated_from_its_seed_and_order(stage):
    theatre = Theatre(stage, NAMED["paid-twice"], SEED)
    (play,) = sampled(len(theatre.events), 1, SEED)

    tellers = [theatre.told(play) for _ in range(2)]

    assert tellers[0].steps == tellers[1].steps != []


# The players turn red when they should.


def test_believing_an_event_is_seen(stage, monkeypatch):
    """An event's own content is applied, instead of asking where the payment stands."""
    honest = stripe_events.store

    def gullible(tx, news):
        event = honest(tx, news)
        if event is not None and news.type == "payment_intent.payment_failed":
            order, payment, every = family(tx, event.payment_id)
            if payment.can(S.FAILED):
                payment.transition_to(S.FAILED)
                compensate.after_end(tx, order, every)
        return event

    theatre = Theatre(stage, NAMED["declined-then-paid"], SEED)
    monkeypatch.setattr(stripe_events, "store", gullible)

    assert "payment.failed" in violations(theatre)


def test_a_refund_row_for_every_piece_of_news_is_seen(stage, monkeypatch):
    """A refund that Stripe reports is never matched with ours."""
    theatre = Theatre(stage, NAMED["two-refunds"], SEED)
    monkeypatch.setattr(refunding, "_meant", lambda rows, reported: None)

    assert "faults, only here" in violations(theatre)  # Stripe's id of a refund is unique


def test_a_second_success_that_is_kept_is_seen(stage, monkeypatch):
    """Whatever is paid for an order that is paid already stays with the merchant."""
    honest = compensate.give_back

    def greedy(tx, payment, reason, **how):
        if reason != compensate.DUPLICATE:
            honest(tx, payment, reason, **how)

    theatre = Theatre(stage, NAMED["paid-twice"], SEED)
    monkeypatch.setattr(compensate, "give_back", greedy)

    assert "missing: (1, 2000, 'succeeded', 'duplicate'" in violations(theatre)


def test_a_refund_that_the_next_look_forgets_is_seen(stage, monkeypatch):
    """To Stripe a refunded payment is still `succeeded`, and that is believed."""
    honest = decide.target

    def literal(payment, said, wrong):
        believed = payment.status == S.REFUNDED and payment.can(said)
        return said if believed else honest(payment, said, wrong)

    theatre = Theatre(stage, NAMED["order-cancelled-but-paid"], SEED)
    monkeypatch.setattr(decide, "target", literal)

    assert "payment.updated" in violations(theatre)


def test_news_that_is_dropped_when_it_finds_no_payment_is_seen(stage, monkeypatch):
    """Reconciliation does not look at unmatched events once more."""
    theatre = Theatre(stage, NAMED["refund-made-elsewhere"], SEED)
    monkeypatch.setattr(stripe_events, "match_again", lambda tx: 0)

    assert "never looked at" in violations(theatre)
