"""Refunds: given, listed, refused; arriving late, coming back, and called off."""

from typing import Any

import pytest

from gateway.dev.sandbox import shapes

from .money import HOUR, authorised, charge_of, later, paid, refused
from .support import Server, rupees

PENDING_FIRST, FAILS_LATER = "4000000000007726", "4000000000005126"


def figures(sandbox: Server, intent: Any) -> tuple[int, bool]:
    charge = charge_of(sandbox, intent)
    return charge.amount_refunded, charge.refunded


def refund(sandbox: Server, intent: Any, **more: Any) -> Any:
    return sandbox.client.v1.refunds.create({"payment_intent": intent.id, **more})


def test_a_whole_refund(sandbox: Server):
    intent = paid(sandbox)

    made = refund(sandbox, intent, reason="requested_by_customer", metadata={"refund": "re_1"})

    assert (made.status, made.amount, made.currency) == ("succeeded", 5000, "usd")
    assert (made.charge, made.payment_intent) == (intent.latest_charge.id, intent.id)
    assert (made.reason, made.metadata.to_dict()) == ("requested_by_customer", {"refund": "re_1"})
    assert made.destination_details.card.type == "refund"
    assert shapes.problems(made.to_dict()) == []
    charge = charge_of(sandbox, intent)
    assert (charge.amount_refunded, charge.refunded) == (5000, True)
    assert [item.id for item in charge.refunds.data] == [made.id]
    assert shapes.problems(charge.to_dict()) == []
    assert sandbox.events_of(made.id) == ["refund.created"]
    assert sandbox.events_of(charge.id) == ["charge.succeeded", "charge.refunded"]


def test_parts_add_up(sandbox: Server):
    intent = paid(sandbox)
    sandbox.client.v1.refunds.create({"charge": intent.latest_charge.id, "amount": 1500})
    assert figures(sandbox, intent) == (1500, False)

    rest = refund(sandbox, intent)

    assert rest.amount == 3500
    assert figures(sandbox, intent) == (5000, True)
    assert sandbox.events_of(intent.latest_charge.id).count("charge.refunded") == 2


def test_only_what_was_captured_is_refunded(sandbox: Server):
    intent = authorised(sandbox)
    sandbox.client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 2000})
    assert refused(refund_of(sandbox), intent, 2001).param == "amount"

    assert refund(sandbox, intent).amount == 2000
    assert figures(sandbox, intent) == (2000, True)


def refund_of(sandbox: Server) -> Any:
    return lambda intent, amount: refund(sandbox, intent, amount=amount)


@pytest.mark.parametrize(
    ("amount", "code"),
    [(5001, None), (0, "parameter_invalid_integer"), (-5, "parameter_invalid_integer")],
)
def test_a_wrong_amount_is_refused(sandbox: Server, amount: int, code: str | None):
    intent = paid(sandbox)

    error = refused(refund_of(sandbox), intent, amount)

    assert (error.code, error.param) == (code, "amount")
    assert figures(sandbox, intent) == (0, False)


def test_nothing_is_left_to_refund(sandbox: Server):
    intent = paid(sandbox)
    refund(sandbox, intent)

    error = refused(sandbox.client.v1.refunds.create, {"charge": intent.latest_charge.id})

    assert (error.code, error.param) == ("charge_already_refunded", None)


@pytest.mark.parametrize(
    ("params", "status", "code", "param"),
    [
        ({}, 400, None, None),
        ({"charge": "ch_x", "payment_intent": "pi_x"}, 400, None, None),
        ({"charge": "ch_nope"}, 404, "resource_missing", "id"),
        ({"payment_intent": "pi_nope"}, 404, "resource_missing", "payment_intent"),
        ({"charge": "ch_nope", "reason": "boredom"}, 400, None, "reason"),
    ],
)
def test_a_bad_request_is_refused(
    sandbox: Server, params: Any, status: int, code: str | None, param: str | None
):
    error = refused(sandbox.client.v1.refunds.create, params, status=status)

    assert (error.code, error.param) == (code, param)


def test_what_was_not_taken_is_not_refunded(sandbox: Server):
    declined = sandbox.create()
    sandbox.pay(declined.id, "4000000000000002")
    held, failed = authorised(sandbox), sandbox.session(declined.id).payment_intent
    create = sandbox.client.v1.refunds.create

    for intent in (held, failed):
        error = refused(create, {"payment_intent": intent.id})
        assert error.code == "payment_intent_unexpected_state"
        assert error.error.payment_intent.id == intent.id
        assert refused(create, {"charge": intent.latest_charge.id}).code is None


def test_a_pending_refund_arrives_by_the_clock(sandbox: Server):
    intent = paid(sandbox, PENDING_FIRST)
    made = refund(sandbox, intent)
    assert (made.status, made.pending_reason) == ("pending", "processing")
    assert figures(sandbox, intent) == (5000, True)

    later(sandbox, HOUR + 1)

    arrived = sandbox.client.v1.refunds.retrieve(made.id)
    assert (arrived.status, arrived.pending_reason) == ("succeeded", None)
    assert sandbox.events_of(made.id) == [
        "refund.created",
        "refund.updated",
        "charge.refund.updated",
    ]


def test_a_refund_comes_back_by_the_clock(sandbox: Server):
    intent = paid(sandbox, FAILS_LATER)
    made = refund(sandbox, intent)
    assert made.status == "succeeded"

    later(sandbox, HOUR + 1)

    failed = sandbox.client.v1.refunds.retrieve(made.id)
    assert (failed.status, failed.failure_reason) == ("failed", "unknown")
    assert failed.failure_balance_transaction
    assert shapes.problems(failed.to_dict()) == []
    assert figures(sandbox, intent) == (0, False)
    assert sandbox.events_of(made.id)[1:] == [
        "refund.updated",
        "refund.failed",
        "charge.refund.updated",
    ]
    event = sandbox.client.v1.events.list({"type": "refund.updated", "limit": 1}).data[0]
    assert event.data.previous_attributes.to_dict() == {
        "status": "succeeded",
        "failure_reason": None,
    }
    assert refund(sandbox, intent).status == "succeeded"


def test_an_updated_refund_still_comes_back(sandbox: Server):
    made = refund(sandbox, paid(sandbox, FAILS_LATER), metadata={"a": "1", "b": "2"})

    changed = sandbox.client.v1.refunds.update(made.id, {"metadata": {"a": "", "c": "3"}})
    later(sandbox, HOUR + 1)

    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    assert sandbox.client.v1.refunds.retrieve(made.id).status == "failed"


@pytest.mark.parametrize(
    ("status", "counted"),
    [("failed", 0), ("canceled", 0), ("pending", 5000), ("requires_action", 5000)],
)
def test_the_lever_decides_a_refund(sandbox: Server, status: str, counted: int):
    intent = paid(sandbox)
    made = refund(sandbox, intent)

    wishes = {"status": status, "failure_reason": "insufficient_funds"}
    decided = sandbox.lever("POST", f"refunds/{made.id}", wishes).json()

    assert decided["status"] == status
    assert decided["failure_reason"] == ("insufficient_funds" if status == "failed" else None)
    assert shapes.problems(decided) == []
    assert figures(sandbox, intent) == (counted, counted == 5000)
    back = sandbox.lever("POST", f"refunds/{made.id}", {"status": "succeeded"}).json()
    assert (back["status"], back["failure_reason"]) == ("succeeded", None)
    assert figures(sandbox, intent) == (5000, True)


def test_the_lever_checks_its_words(sandbox: Server):
    made = refund(sandbox, paid(sandbox))

    assert sandbox.lever("POST", f"refunds/{made.id}", {"status": "lost"}).status_code == 422
    assert sandbox.lever("POST", "refunds/re_x", {"status": "failed"}).status_code == 404


def test_a_card_refund_is_not_called_off(sandbox: Server):
    cancel = sandbox.client.v1.refunds.cancel
    made = refund(sandbox, paid(sandbox, PENDING_FIRST))
    assert refused(cancel, made.id).code is None

    sandbox.lever("POST", f"refunds/{made.id}", {"status": "requires_action"})

    assert cancel(made.id).status == "canceled"
    assert refused(cancel, made.id).code is None


def test_a_upi_refund_is_under_way_for_a_while(sandbox: Server):
    session = sandbox.create(**rupees("upi"))
    sandbox.submit(session.id, vpa="ada@okbank")
    intent = sandbox.session(session.id).payment_intent
    first, second = refund(sandbox, intent, amount=100), refund(sandbox, intent, amount=200)
    assert (first.status, first.destination_details.type) == ("pending", "upi")

    assert sandbox.client.v1.refunds.cancel(first.id).status == "canceled"
    later(sandbox, HOUR + 1)

    assert sandbox.client.v1.refunds.retrieve(second.id).status == "succeeded"
    assert sandbox.client.v1.refunds.retrieve(first.id).status == "canceled"
    assert figures(sandbox, intent) == (200, False)


def test_refunds_are_listed_newest_first(sandbox: Server):
    intent = paid(sandbox)
    made = [refund(sandbox, intent, amount=100).id for _ in range(12)]
    other = refund(sandbox, paid(sandbox))
    listed = sandbox.client.v1.refunds.list

    assert [item.id for item in listed({"payment_intent": intent.id}).data] == made[:1:-1]
    by_charge = listed({"charge": intent.latest_charge.id, "limit": 100})
    assert [item.id for item in by_charge.auto_paging_iter()] == made[::-1]
    after = {"payment_intent": intent.id, "starting_after": made[1]}
    assert [item.id for item in listed(after).data] == [made[0]]
    assert listed({"limit": 1}).data[0].id == other.id
    assert not listed({"created": {"gt": other.created}}).data
    charge = charge_of(sandbox, intent)
    assert ([item.id for item in charge.refunds.data], charge.refunds.has_more) == (
        made[:1:-1], True,
    )  # fmt: skip


def test_a_repeated_request_refunds_once(sandbox: Server):
    intent = paid(sandbox)
    key = {"idempotency_key": f"refund-{intent.id}"}
    create = sandbox.client.v1.refunds.create
    params: Any = {"payment_intent": intent.id, "amount": 5000}

    first, again = create(params, key), create(params, key)

    assert first.id == again.id
    assert figures(sandbox, intent) == (5000, True)
    other = {"idempotency_key": f"other-{intent.id}"}
    assert refused(create, params, other).code == "charge_already_refunded"
    sandbox.lever("POST", f"refunds/{first.id}", {"status": "failed"})
    assert refused(create, params, other).code == "charge_already_refunded"


def test_a_refund_expands_what_it_names(sandbox: Server):
    intent = paid(sandbox)
    expand = ["charge.refunds", "payment_intent", "balance_transaction"]

    made = refund(sandbox, intent, expand=expand)

    assert (made.charge.amount_refunded, made.payment_intent.id) == (5000, intent.id)
    assert made.charge.refunds.data[0].id == made.id
    assert (made.balance_transaction.net, made.balance_transaction.type) == (-5000, "refund")
    assert shapes.problems(made.to_dict()) == []
