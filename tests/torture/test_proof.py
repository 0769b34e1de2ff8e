"""The proof finds what is planted in made-up facts, names the check, and finds nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.dev.torture.chaos import prove
from gateway.dev.torture.facts import Facts, Peek

from .made_up import acked, all_well, events, got, heard, order, payment, session

Plant = Callable[[Facts], Any]
DIFFERS = {"subject": "pay_1", "payment_id": "pay_1", "reason": "Here it is 500, at Stripe 400."}
PLANTED: dict[str, list[Plant]] = {
    "quiet": [lambda it: it.left.append("stripe: 3 due")],
    "harness": [lambda it: it.broken.append("simple 3: KeyError")],
    "answered": [lambda it: it.strange.append("GET payments: 500")],
    "replays": [lambda it: it.differing.append("POST payments: first 201, then 200")],
    "kept": [
        lambda it: it.acked["ours"].append(acked("payments", id="pay_2", amount=1)),
        lambda it: it.acked["ours"].append(acked("payments", id="pay_1", amount=501)),
        lambda it: it.acked["ours"].append(acked("payments/pay_1/refunds", id="ref_1", amount=5)),
        lambda it: it.acked["ours"].append(acked("orders/ord_1/cancel", id="ord_1", amount=500)),
    ],
    "ended": [
        lambda it: shows(it, payment(status="processing", amount_captured=0)),
        lambda it: it.sides["ours"].refunds.update(ref_1={"id": "ref_1", "status": "pending"}),
        lambda it: it.sides["theirs"].orders.append(order("ord_9", status="created")),
    ],
    "stock": [
        lambda it: it.sides["ours"].inventory[0].update(on_hand=4),
        lambda it: it.sides["ours"].inventory[0].update(reserved=1),
        lambda it: it.sides["ours"].inventory.clear(),
    ],
    "owed": [
        lambda it: it.jobs["queues"]["stripe"].update(pending=1),
        lambda it: it.jobs.update(worker_status="missing"),
    ],
    "attention": [
        lambda it: it.ready["checks"]["attention"]["needs_attention"].update(refund=1),
        lambda it: it.ready["checks"].update(relay={"ok": False}),
    ],
    "tenants": [
        lambda it: it.peeks.append(Peek("GET payments/pay_1", 200)),
        lambda it: it.sides["theirs"].payments.append(payment()),
        lambda it: it.sides["theirs"].heard.update({"theirs-1": it.sides["ours"].heard["ours-1"]}),
    ],
    "reconcile": [
        lambda it: it.commands.update(reconcile=(1, {}, "no worker")),
    ],
    "drift": [
        lambda it: it.commands.update(reconcile=(0, {"items": [DIFFERS]}, "")),
        lambda it: it.commands.update(discrepancies=(0, {"data": [DIFFERS]}, "")),
    ],
    "doctor": [lambda it: it.commands.update(doctor=(1, {"ok": False, "broken": ["a"]}, ""))],
    "sessions": [
        lambda it: it.stripe.append(session(status="open", successful_charges=0) | NOTHING),
        lambda it: it.stripe.append(session("pay_7") | NOTHING),
    ],
    "stripe": [
        lambda it: it.stripe[0].update(amount_received=400),
        lambda it: it.stripe[0].update(refunds_succeeded=100),
        lambda it: it.stripe[0].update(intent_status="requires_capture"),
        lambda it: shows(it, payment(status="cancelled")),
    ],
    "charges": [
        lambda it: it.stripe[0].update(successful_charges=2),
        lambda it: pays_again(it),
    ],
    "orders": [lambda it: it.sides["ours"].orders[0].update(status="cancelled")],
    "sums": [lambda it: it.stripe[0].update(amount_received=600)],
    "amounts": [lambda it: it.sides["ours"].plan.wrong.add("pay_1")],
    "late": [lambda it: it.sides["ours"].plan.late.add("pay_1")],
    "sequences": [
        lambda it: it.sides["ours"].events.pop(1),
        lambda it: it.sides["ours"].heard["ours-2"].got.pop("evt_2"),
    ],
    "callbacks": [
        lambda it: it.sides["ours"].heard["ours-2"].got.pop("evt_2"),
        lambda it: setattr(it.sides["ours"].heard["ours-1"].got["evt_3"], "accepted", 0),
        lambda it: it.sides["ours"].unsent.append({"id": "wd_1", "status": "exhausted"}),
        lambda it: setattr(it.sides["ours"].heard["ours-2"], "types", ("payment.succeeded",)),
        lambda it: it.sides["ours"].heard["ours-1"].got.update(evt_99=a_stray()),
    ],
    "signatures": [lambda it: it.sides["ours"].heard["ours-1"].wrong.append("evt_1: no match")],
    "contents": [lambda it: setattr(it.sides["ours"].heard["ours-1"].got["evt_3"], "digest", "0")],
    "events": [
        lambda it: tells(it, ("payment.succeeded", payment())),
        lambda it: it.sides["ours"].payments[0].update(status="refunded"),
        lambda it: it.sides["ours"].payments[0].update(amount_refunded=100),
    ],
    "declines": [
        lambda it: declines(it, "no funds", "too old", told=["too old", "no funds"]),
        lambda it: declines(it, "no funds", told=["no funds", "no funds"]),
        lambda it: declines(it, told=["no funds"]),
    ],
}
NOTHING = {"amount_received": 0, "intent_status": None}


def shows(it: Facts, changed: dict[str, Any]) -> None:
    it.sides["ours"].payments[0].update(changed)


def pays_again(it: Facts) -> None:
    """A second payment of the same order, which nobody gives back."""
    it.sides["ours"].payments.append(payment("pay_2", order_id="ord_1"))
    it.stripe.append(session("pay_2"))


def a_stray() -> Any:
    return got(events(("order.created", order()))[0])


def tells(it: Facts, *more: tuple[str, dict[str, Any]]) -> None:
    side = it.sides["ours"]
    rows = [(event["type"], event["data"]) for event in side.events]
    side.events = events(*rows, *more)
    side.heard = {name: heard(side.events) for name in side.heard}


def declines(it: Facts, *happened: str, told: list[str]) -> None:
    it.declines["pay_1"] = list(happened)
    side = it.sides["ours"]
    rows = [(event["type"], event["data"]) for event in side.events]
    shown = {"status": "requires_action", "amount_captured": 0}
    more = [payment(**shown, failure={"code": why}) for why in told]
    side.events = events(
        *rows[:3], *(("payment.attempt_declined", each) for each in more), *rows[3:]
    )
    side.heard = {name: heard(side.events) for name in side.heard}


def test_nothing_is_found_where_all_is_well() -> None:
    assert prove(all_well()) == []


def test_a_decline_that_was_followed_quickly_may_go_untold() -> None:
    facts = all_well()
    declines(facts, "no funds", "too old", "no funds", told=["no funds", "no funds"])

    assert prove(facts) == []


@pytest.mark.parametrize(
    ("check", "plant"), [(check, plant) for check, plants in PLANTED.items() for plant in plants]
)
def test_what_is_planted_is_found(check: str, plant: Plant) -> None:
    facts = all_well()

    plant(facts)

    assert check in {violation.check for violation in prove(facts)}


def test_a_violation_is_one_line() -> None:
    facts = all_well()
    facts.stripe[0].update(successful_charges=2)

    assert [str(each) for each in prove(facts)] == [
        "charges: pay_1: expected one charge, found 2",
    ]


def test_what_we_have_falsified_is_not_held_against_the_gateway() -> None:
    facts = all_well()
    side = facts.sides["ours"]
    side.plan.wrong.add("pay_2")
    side.payments.append(payment("pay_2", status="review", amount_captured=1000))
    side.orders.append(order("ord_2", status="payment_in_progress"))
    facts.stripe.append(session("pay_2", amount_received=1000))
    facts.ready["checks"]["attention"]["needs_attention"]["payment"] = 1
    told = payment("pay_2", status="review", amount_captured=1000)
    tells(
        facts,
        ("payment.review", told),
        ("order.payment_in_progress", side.orders[1]),
    )

    assert prove(facts) == []
