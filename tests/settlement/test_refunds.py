"""Money goes back in part or whole, never more than was captured, and may come back days later."""

import pytest
from tests_support import check_problem

HOUR = 3600
PENDING_FIRST, FAILS_LATER = "4000000000007726", "4000000000005126"


def refunds(buyer, payment):
    found = buyer.get(f"payments/{payment['id']}/refunds")["data"]
    return sorted((each["status"], each["amount"]) for each in found)


def test_parts_are_given_back_until_nothing_is_left(buyer, paid, drain, history):
    payment = paid()
    path = f"payments/{payment['id']}/refunds"
    first = buyer.made(path, {"amount": 500, "reason": "Customer requested"})
    assert (first["status"], first["reason"], first["automatic"]) == (
        "pending",
        "Customer requested",
        False,
    )
    drain()
    part = buyer.read(payment["id"])
    assert (part["status"], part["amount_refunded"]) == ("succeeded", 500)
    rest = buyer.made(path)
    drain()

    assert rest["amount"] == 1499
    whole = buyer.read(payment["id"])
    assert (whole["status"], whole["amount_refunded"]) == ("refunded", 1999)
    assert whole["next_check_at"] is None
    assert buyer.order("order-1")["status"] == "payment_done"  # a refund moves no order
    assert history(first["id"]) == ["refund.created", "refund.succeeded"]
    assert history(payment["id"])[-2:] == ["payment.amount_refunded", "payment.refunded"]
    told = check_problem(buyer.post(path), 409, "refund_exceeds_captured")
    assert "0 of 1999" in told["detail"]


def test_pending_refunds_count(buyer, paid):
    payment = paid()
    path = f"payments/{payment['id']}/refunds"
    buyer.made(path, {"amount": 1500})

    told = check_problem(buyer.post(path, {"amount": 500}), 409, "refund_exceeds_captured")
    assert "499 of 1999" in told["detail"]
    assert buyer.made(path)["amount"] == 499
    check_problem(buyer.post(path, {"amount": 1, "currency": "USD"}), 422)


@pytest.mark.parametrize("state", ["pending", "requires_action", "authorized"])
def test_what_was_not_captured_is_not_refunded(buyer, opened, paid, state):
    payment = {
        "pending": lambda: buyer.buy(),
        "requires_action": opened,
        "authorized": lambda: paid(capture_method="manual"),
    }[state]()

    told = check_problem(
        buyer.post(f"payments/{payment['id']}/refunds"), 409, "payment_not_refundable"
    )
    assert state in told["detail"]


def test_a_refund_that_takes_its_time(buyer, paid, drain, later, history):
    payment = paid(card=PENDING_FIRST)
    refund = buyer.made(f"payments/{payment['id']}/refunds")
    drain()
    assert buyer.get(f"refunds/{refund['id']}")["status"] == "pending"
    assert buyer.read(payment["id"])["status"] == "succeeded"
    later(HOUR + 60)  # no webhook comes

    assert buyer.get(f"refunds/{refund['id']}")["status"] == "succeeded"
    assert buyer.read(payment["id"])["status"] == "refunded"
    assert history(refund["id"]) == ["refund.created", "refund.succeeded"]


def test_a_refund_may_fail_after_it_has_succeeded(buyer, paid, drain, later, news, history):
    payment = paid(card=FAILS_LATER)
    refund = buyer.made(f"payments/{payment['id']}/refunds")
    drain()
    assert buyer.read(payment["id"])["status"] == "refunded"
    later(HOUR + 60)
    news(payment["id"])

    back = buyer.read(payment["id"])
    assert (back["status"], back["amount_refunded"]) == ("succeeded", 0)
    assert buyer.get(f"refunds/{refund['id']}")["failure"] is not None
    assert history(refund["id"]) == ["refund.created", "refund.succeeded", "refund.failed"]
    assert history(payment["id"])[-2:] == ["payment.refunded", "payment.amount_refunded"]
    assert buyer.order("order-1")["status"] == "payment_done"
    assert buyer.made(f"payments/{payment['id']}/refunds")["amount"] == 1999


def test_a_refund_made_at_stripe_becomes_a_row(buyer, paid, stripe, news):
    payment = paid()
    intent = stripe.sessions(payment["id"])[0]["payment_intent"]
    stripe.post("refunds", payment_intent=intent, amount=800, reason="fraudulent")
    seen = news(payment["id"])
    news(payment["id"])

    assert (seen["status"], seen["amount_refunded"]) == ("succeeded", 800)
    (row,) = buyer.get(f"payments/{payment['id']}/refunds")["data"]
    assert (row["status"], row["amount"], row["reason"]) == ("succeeded", 800, "fraudulent")
    told = check_problem(
        buyer.post(f"payments/{payment['id']}/refunds", {"amount": 1200}),
        409,
        "refund_exceeds_captured",
    )
    assert "1199" in told["detail"]


def test_more_refunds_than_one_answer_holds(buyer, paid, stripe, drain):
    payment = paid()
    for _ in range(12):
        buyer.made(f"payments/{payment['id']}/refunds", {"amount": 100})
    drain()

    assert refunds(buyer, payment) == [("succeeded", 100)] * 12
    assert buyer.read(payment["id"])["amount_refunded"] == 1200
    assert len(stripe.get("refunds", limit="100")["data"]) == 12


def test_stripes_reasons_are_passed_on_and_others_kept(buyer, paid, stripe, drain):
    payment = paid()
    for reason in ("requested_by_customer", "The cup was broken"):
        buyer.made(f"payments/{payment['id']}/refunds", {"amount": 100, "reason": reason})
    drain()

    assert {each["reason"] for each in stripe.get("refunds")["data"]} == {
        "requested_by_customer",
        None,
    }


def test_a_refusal_of_stripe_ends_the_refund(buyer, paid, stripe, drain, later):
    payment = paid(card="4000000000000259")  # disputed: Stripe gives nothing back of it
    refund = buyer.made(f"payments/{payment['id']}/refunds")
    drain()

    failed = buyer.get(f"refunds/{refund['id']}")
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "charge_disputed")
    assert buyer.read(payment["id"])["amount_refunded"] == 0


@pytest.mark.parametrize("fault", ["error_before", "error_after", "timeout_after"])
def test_an_unanswered_refund_is_asked_for_again_and_made_once(
    buyer, paid, stripe, drain, later, fault
):
    payment = paid()
    stripe.faults(**{fault: 1.0})
    refund = buyer.made(f"payments/{payment['id']}/refunds")
    drain()
    assert buyer.get(f"refunds/{refund['id']}")["failure"] is None
    stripe.lever("DELETE", "faults")
    for _ in range(3):
        later(61)

    assert buyer.get(f"refunds/{refund['id']}")["status"] == "succeeded"
    assert len(stripe.get("refunds")["data"]) == 1
