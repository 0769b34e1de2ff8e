"""A dispute is known from its first moment to its end, and moves nothing else."""

import pytest

FRAUDULENT, INQUIRY = "4000000000000259", "4000000000001976"


def disputes(buyer, payment):
    return buyer.get(f"payments/{payment['id']}/disputes")["data"]


@pytest.mark.parametrize(("verdict", "status"), [("won", "won"), ("lost", "lost")])
def test_a_dispute_from_its_first_moment_to_its_end(
    buyer, paid, stripe, news, history, verdict, status
):
    payment = paid(card=FRAUDULENT)
    (dispute,) = disputes(buyer, payment)
    assert (dispute["status"], dispute["amount"], dispute["reason"]) == (
        "open",
        1999,
        "fraudulent",
    )
    assert dispute["respond_by"] is not None
    (at_stripe,) = stripe.get("disputes")["data"]
    stripe.lever("POST", f"disputes/{at_stripe['id']}", status=verdict)
    seen = news(payment["id"])

    assert seen["status"] == "succeeded"
    assert buyer.get(f"disputes/{dispute['id']}")["status"] == status
    assert buyer.order("order-1")["status"] == "payment_done"
    assert history(dispute["id"]) == ["dispute.created", f"dispute.{status}"]
    assert buyer.get(f"disputes?status={status}")["data"][0]["id"] == dispute["id"]


def test_a_dispute_opened_days_later_becomes_a_row(buyer, paid, stripe, news):
    payment = paid()
    intent = stripe.sessions(payment["id"])[0]["payment_intent"]
    stripe.lever("POST", "disputes", payment_intent=intent, reason="product_not_received")
    news(payment["id"])
    news(payment["id"])

    (dispute,) = disputes(buyer, payment)
    assert (dispute["status"], dispute["reason"]) == ("open", "product_not_received")


def test_an_inquiry_that_is_closed_is_won(buyer, paid, stripe, news):
    payment = paid(card=INQUIRY)
    (at_stripe,) = stripe.get("disputes")["data"]
    assert at_stripe["status"].startswith("warning_")
    assert disputes(buyer, payment)[0]["status"] == "open"
    stripe.lever("POST", f"disputes/{at_stripe['id']}", status="warning_closed")
    news(payment["id"])

    assert disputes(buyer, payment)[0]["status"] == "won"


def test_a_dispute_is_looked_at_daily_even_without_news(buyer, paid, stripe, later):
    payment = paid(card=FRAUDULENT)
    (at_stripe,) = stripe.get("disputes")["data"]
    stripe.lever("POST", f"disputes/{at_stripe['id']}", status="lost")
    later(86400 + 1)

    assert disputes(buyer, payment)[0]["status"] == "lost"
    assert buyer.read(payment["id"])["next_check_at"] is None
