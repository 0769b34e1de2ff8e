"""The lever that completes a session: late, with any card, and with figures that are wrong."""

from gateway.dev.sandbox import shapes

from .money import MANUAL
from .support import Server


def force(sandbox: Server, session_id: str, **wishes: object) -> int:
    path = f"sessions/{session_id}/complete"
    return sandbox.lever("POST", path, {"force": True, **wishes}).status_code


def test_any_test_card_may_be_used(sandbox: Server):
    session = sandbox.create()

    assert force(sandbox, session.id, card_number="4000000000000002") == 402
    assert sandbox.session(session.id).payment_intent.latest_charge.status == "failed"
    assert force(sandbox, session.id, card_number="4111111111111111") == 422
    assert force(sandbox, session.id, card_number="4000000000000259") == 200
    paid = sandbox.session(session.id)
    assert (paid.payment_status, paid.payment_intent.latest_charge.disputed) == ("paid", True)


def test_a_forced_card_needs_no_3d_secure(sandbox: Server):
    session = sandbox.create()
    sandbox.client.v1.checkout.sessions.expire(session.id)

    assert force(sandbox, session.id, card_number="4000002760003184") == 200
    assert sandbox.session(session.id).payment_status == "paid"


def test_a_late_authorisation(sandbox: Server):
    session = sandbox.create(**MANUAL)
    sandbox.pay(session.id, "4000000000000002")
    sandbox.client.v1.checkout.sessions.expire(session.id)

    assert force(sandbox, session.id) == 200

    held = sandbox.session(session.id)
    assert (held.status, held.payment_intent.status) == ("complete", "requires_capture")
    assert held.payment_intent.cancellation_reason is None
    assert sandbox.client.v1.payment_intents.cancel(held.payment_intent.id).status == "canceled"


def test_figures_can_contradict_the_session(sandbox: Server):
    session = sandbox.create()

    assert force(sandbox, session.id, amount=4999, currency="EUR") == 200

    paid = sandbox.session(session.id)
    intent, charge = paid.payment_intent, paid.payment_intent.latest_charge
    assert (paid.amount_total, paid.currency) == (5000, "usd")
    assert (intent.amount, intent.amount_received, intent.currency) == (4999, 4999, "eur")
    assert (charge.amount, charge.amount_captured, charge.currency) == (4999, 4999, "eur")
    assert shapes.problems(paid.to_dict()) == []


def test_nonsense_figures_are_refused(sandbox: Server):
    session = sandbox.create()

    for wishes in ({"amount": 0}, {"amount": "5"}, {"amount": True}, {"currency": "euro"}):
        assert force(sandbox, session.id, **wishes) == 422
    assert sandbox.session(session.id).status == "open"
