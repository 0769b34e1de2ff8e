"""The account's books: what each movement is called, what it cost, and what is left."""

from gateway.dev.sandbox import balance, shapes

from .money import DAY, authorised, later, paid
from .support import Server


def movements(sandbox: Server, **filters: object) -> list[tuple[str, int, int, int]]:
    found = sandbox.client.v1.balance_transactions.list({"limit": 100, **filters}).data
    assert [problem for item in found for problem in shapes.problems(item.to_dict())] == []
    return [(item.type, item.amount, item.fee, item.net) for item in found]


def test_fees_are_whole_numbers():
    figures = [0, 1, 100, 999, 5000, 5017, 99_999_999]

    assert [balance.processing_fee(amount) for amount in figures] == [
        30, 30, 33, 59, 175, 175, 2_900_030,
    ]  # fmt: skip


def test_a_charge_and_its_refund(sandbox: Server):
    intent = paid(sandbox)
    refund = sandbox.client.v1.refunds.create({"payment_intent": intent.id, "amount": 2000})
    sandbox.lever("POST", f"refunds/{refund.id}", {"status": "failed"})

    charge = intent.latest_charge.id
    assert movements(sandbox, source=charge) == [("charge", 5000, 175, 4825)]
    assert movements(sandbox, source=refund.id) == [
        ("refund_failure", 2000, 0, 2000),
        ("refund", -2000, 0, -2000),
    ]
    assert movements(sandbox, source=refund.id, type="refund") == [("refund", -2000, 0, -2000)]
    assert movements(sandbox, source=refund.id, created={"gt": refund.created + 100}) == []


def test_only_what_is_captured_is_booked(sandbox: Server):
    intent = authorised(sandbox)
    assert intent.latest_charge.balance_transaction is None
    assert movements(sandbox, source=intent.latest_charge.id) == []

    sandbox.client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1000})

    assert movements(sandbox, source=intent.latest_charge.id) == [("charge", 1000, 59, 941)]


def test_a_dispute_costs_even_when_won(sandbox: Server):
    intent = paid(sandbox, "4000000000000259")
    (dispute,) = sandbox.client.v1.disputes.list({"payment_intent": intent.id}).data
    sandbox.lever("POST", f"disputes/{dispute.id}", {"status": "won"})

    assert movements(sandbox, source=dispute.id) == [
        ("adjustment", 5000, 0, 5000),
        ("adjustment", -5000, 1500, -6500),
    ]


def test_money_becomes_available_by_the_clock(sandbox: Server):
    intent = paid(sandbox)
    read = sandbox.client.v1.balance_transactions.retrieve
    id = intent.latest_charge.balance_transaction
    before = read(id, {"expand": ["source"]})
    assert (before.status, before.source.id) == ("pending", intent.latest_charge.id)

    later(sandbox, 2 * DAY + 1)

    assert read(id).status == "available"
    assert shapes.problems(before.to_dict()) == []


def test_the_balance_is_the_sum(sandbox: Server):
    sandbox.lever("POST", "reset")
    paid(sandbox)
    later(sandbox, 2 * DAY + 1)
    paid(sandbox)

    summary = sandbox.client.v1.balance.retrieve()

    assert [(part.amount, part.currency) for part in summary.available] == [(4825, "usd")]
    assert [(part.amount, part.currency) for part in summary.pending] == [(4825, "usd")]
    assert shapes.problems(summary.to_dict()) == []
