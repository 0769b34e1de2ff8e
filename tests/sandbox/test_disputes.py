"""Disputes: opened by cards and by the lever, answered, won, lost and given up."""

from typing import Any

import pytest

from gateway.dev.sandbox import shapes

from .money import DAY, authorised, charge_of, later, paid, refused
from .support import Server

FRAUD, NOT_RECEIVED, INQUIRY = "4000000000000259", "4000000000002685", "4000000000001976"


def dispute_of(sandbox: Server, intent: Any) -> Any:
    (dispute,) = sandbox.client.v1.disputes.list({"payment_intent": intent.id}).data
    return dispute


def answer(sandbox: Server, dispute: Any, text: str, **more: Any) -> Any:
    params = {"evidence": {"uncategorized_text": text}, **more}
    return sandbox.client.v1.disputes.update(dispute.id, params)


@pytest.mark.parametrize(
    ("card", "reason"), [(FRAUD, "fraudulent"), (NOT_RECEIVED, "product_not_received")]
)
def test_a_card_disputes_its_charge(sandbox: Server, card: str, reason: str):
    intent = paid(sandbox, card)

    dispute = dispute_of(sandbox, intent)

    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", reason, 5000)
    assert dispute.charge == intent.latest_charge.id
    assert not dispute.is_charge_refundable
    assert dispute.evidence_details.due_by > dispute.created
    assert [moved.net for moved in dispute.balance_transactions] == [-6500]
    assert shapes.problems(dispute.to_dict()) == []
    assert charge_of(sandbox, intent).disputed
    assert sandbox.events_of(dispute.id) == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
    ]


def test_an_inquiry_takes_no_money(sandbox: Server):
    intent = paid(sandbox, INQUIRY)

    dispute = dispute_of(sandbox, intent)

    assert (dispute.status, dispute.balance_transactions) == ("warning_needs_response", [])
    assert dispute.payment_method_details.card.case_type == "inquiry"
    assert charge_of(sandbox, intent).disputed
    assert sandbox.client.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"
    assert sandbox.client.v1.disputes.close(dispute.id).status == "warning_closed"
    assert sandbox.events_of(dispute.id) == ["charge.dispute.created", "charge.dispute.closed"]


def test_held_money_is_disputed_only_once_it_is_taken(sandbox: Server):
    intent = authorised(sandbox, FRAUD)
    assert not sandbox.client.v1.disputes.list({"charge": intent.latest_charge.id}).data

    sandbox.client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 700})

    assert dispute_of(sandbox, intent).amount == 700


@pytest.mark.parametrize(
    ("card", "text", "status"),
    [
        (FRAUD, "some letter", "under_review"),
        (FRAUD, "winning_evidence", "won"),
        (FRAUD, "losing_evidence", "lost"),
        (INQUIRY, "some letter", "warning_under_review"),
        (INQUIRY, "winning_evidence", "warning_closed"),
        (INQUIRY, "escalate_inquiry_evidence", "needs_response"),
    ],
)
def test_evidence_decides(sandbox: Server, card: str, text: str, status: str):
    dispute = dispute_of(sandbox, paid(sandbox, card))

    answered = answer(sandbox, dispute, text)

    assert (answered.status, answered.evidence.uncategorized_text) == (status, text)
    assert (answered.evidence_details.submission_count, answered.evidence_details.has_evidence) == (
        1, True,
    )  # fmt: skip
    assert shapes.problems(answered.to_dict()) == []


def test_a_won_dispute_gives_the_money_back(sandbox: Server):
    intent = paid(sandbox, FRAUD)
    dispute = dispute_of(sandbox, intent)
    error = refused(sandbox.client.v1.refunds.create, {"payment_intent": intent.id})
    assert error.code == "charge_disputed"

    won = answer(sandbox, dispute, "winning_evidence")

    assert [moved.amount for moved in won.balance_transactions] == [-5000, 5000]
    assert sandbox.events_of(dispute.id)[2:] == [
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    assert charge_of(sandbox, intent).disputed
    assert sandbox.client.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"
    assert refused(sandbox.client.v1.disputes.close, dispute.id).code is None


def test_a_lost_dispute_keeps_the_money(sandbox: Server):
    intent = paid(sandbox, FRAUD)
    dispute = dispute_of(sandbox, intent)

    closed = sandbox.client.v1.disputes.close(dispute.id)

    assert (closed.status, len(closed.balance_transactions)) == ("lost", 1)
    assert sandbox.events_of(dispute.id)[-1] == "charge.dispute.closed"
    error = refused(sandbox.client.v1.refunds.create, {"charge": intent.latest_charge.id})
    assert error.code == "charge_disputed"


def test_evidence_can_be_kept_for_later(sandbox: Server):
    dispute = dispute_of(sandbox, paid(sandbox, FRAUD))

    kept = answer(sandbox, dispute, "winning_evidence", submit=False, metadata={"a": "b"})

    assert (kept.status, kept.evidence_details.has_evidence) == ("needs_response", True)
    assert (kept.evidence_details.submission_count, kept.metadata.to_dict()) == (0, {"a": "b"})
    assert sandbox.events_of(dispute.id)[-1] == "charge.dispute.updated"


def test_an_unanswered_dispute_is_lost(sandbox: Server):
    dispute = dispute_of(sandbox, paid(sandbox, FRAUD))
    answered = dispute_of(sandbox, paid(sandbox, FRAUD))
    answer(sandbox, answered, "some letter")

    later(sandbox, 9 * DAY + 1)

    lost = sandbox.client.v1.disputes.retrieve(dispute.id)
    assert (lost.status, lost.evidence_details.past_due) == ("lost", True)
    assert sandbox.client.v1.disputes.retrieve(answered.id).status == "under_review"


def test_the_lever_opens_a_dispute_on_any_charge(sandbox: Server):
    intent = paid(sandbox)
    wishes = {"payment_intent": intent.id, "reason": "duplicate", "amount": 1200}

    opened = sandbox.lever("POST", "disputes", wishes).json()

    assert shapes.problems(opened) == []
    assert (opened["status"], opened["reason"], opened["amount"]) == (
        "needs_response", "duplicate", 1200,
    )  # fmt: skip
    assert dispute_of(sandbox, intent).id == opened["id"]
    by_charge = {"charge": intent.latest_charge.id, "status": "warning_needs_response"}
    assert sandbox.lever("POST", "disputes", by_charge).json()["balance_transactions"] == []


@pytest.mark.parametrize("status", ["won", "lost", "under_review"])
def test_the_lever_decides_a_dispute(sandbox: Server, status: str):
    dispute = dispute_of(sandbox, paid(sandbox, FRAUD))

    decided = sandbox.lever("POST", f"disputes/{dispute.id}", {"status": status}).json()

    assert decided["status"] == status
    last = "updated" if status == "under_review" else "closed"
    assert f"charge.dispute.{last}" in sandbox.events_of(dispute.id)


def test_the_lever_checks_its_words(sandbox: Server):
    held = authorised(sandbox)

    for body, status in (
        ({}, 404),
        ({"charge": "ch_x"}, 404),
        ({"payment_intent": held.id}, 409),
        ({"payment_intent": paid(sandbox).id, "amount": 0}, 422),
        ({"payment_intent": paid(sandbox).id, "status": "lovely"}, 422),
    ):
        assert sandbox.lever("POST", "disputes", body).status_code == status
    assert sandbox.lever("POST", "disputes/du_x", {"status": "won"}).status_code == 404


def test_the_unknown(sandbox: Server):
    error = refused(sandbox.client.v1.disputes.retrieve, "du_nope", status=404)

    assert (error.code, error.param) == ("resource_missing", "dispute")
