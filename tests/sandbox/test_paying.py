"""What a submit of the payment page does to intent, charge, session and events."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from gateway.dev.sandbox import instruments, shapes

from .support import Server, rupees

CHALLENGED = ["4000002500003155", "4000002760003184", "4000000000003220"]
MANUAL = {"payment_intent_data": {"capture_method": "manual"}}


def successes(sandbox: Server, session_id: str) -> int:
    listed = sandbox.lever("GET", "state").json()["sessions"]
    return next(item["successful_charges"] for item in listed if item["id"] == session_id)


def test_a_card_pays(sandbox: Server):
    data = {"metadata": {"payment": "pay_1"}}
    session = sandbox.create(metadata={"order": "1"}, payment_intent_data=data)

    answer = sandbox.pay(session.id, email="ada@example.com")

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"https://shop.example/done?session={session.id}"
    paid = sandbox.session(session.id)
    intent = paid.payment_intent
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.customer_details.email == "ada@example.com"
    assert (intent.status, intent.amount_received, intent.amount_capturable) == (
        "succeeded", 5000, 0,
    )  # fmt: skip
    assert (intent.capture_method, intent.metadata.to_dict()) == (
        "automatic_async",
        data["metadata"],
    )
    charge = intent.latest_charge
    assert (charge.status, charge.captured, charge.amount_captured) == ("succeeded", True, 5000)
    assert charge.refunds.data == []
    assert shapes.problems(paid.to_dict()) == []
    assert sandbox.events_of(session.id) == ["checkout.session.completed"]
    assert sandbox.events_of(charge.id) == ["charge.succeeded"]
    assert sandbox.events_of(intent.id) == ["payment_intent.created", "payment_intent.succeeded"]


def test_a_charge_shows_refunds_only_when_asked(sandbox: Server):
    session = sandbox.create()
    sandbox.pay(session.id)
    charge_id = sandbox.session(session.id).payment_intent.latest_charge.id

    plain = sandbox.client.v1.charges.retrieve(charge_id)
    expanded = sandbox.client.v1.charges.retrieve(charge_id, {"expand": ["payment_intent"]})

    assert "refunds" not in plain
    assert expanded.payment_intent.latest_charge == charge_id
    assert shapes.problems(plain.to_dict()) == []


def test_manual_capture_authorises_only(sandbox: Server):
    session = sandbox.create(**MANUAL)

    sandbox.pay(session.id)

    held = sandbox.session(session.id)
    intent, charge = held.payment_intent, held.payment_intent.latest_charge
    assert (held.status, held.payment_status) == ("complete", "unpaid")
    assert (intent.status, intent.amount_capturable, intent.amount_received) == (
        "requires_capture", 5000, 0,
    )  # fmt: skip
    assert (charge.captured, charge.paid) == (False, True)
    window = charge.payment_method_details.card.capture_before - charge.created
    assert window == 7 * 86400
    assert sandbox.events_of(intent.id)[-1] == "payment_intent.amount_capturable_updated"
    assert shapes.problems(held.to_dict()) == []


def test_an_authorisation_can_be_cancelled_once(sandbox: Server):
    session = sandbox.create(**MANUAL)
    sandbox.pay(session.id)
    intents = sandbox.client.v1.payment_intents
    id = sandbox.session(session.id).payment_intent.id

    cancelled = intents.cancel(id, {"cancellation_reason": "abandoned"})

    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    assert cancelled.amount_capturable == 0
    assert cancelled.canceled_at
    assert shapes.problems(cancelled.to_dict()) == []
    assert sandbox.events_of(id)[-1] == "payment_intent.canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        intents.cancel(id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.error.payment_intent.status == "canceled"


def test_an_authorisation_ends_after_a_week(sandbox: Server):
    session = sandbox.create(**MANUAL)
    sandbox.pay(session.id)

    sandbox.lever("POST", "clock", {"advance_s": 7 * 86400 + 1})

    intent = sandbox.session(session.id).payment_intent
    assert (intent.status, intent.cancellation_reason) == ("canceled", "expired")


@pytest.mark.parametrize("card", [instruments.CARDS["4242424242424242"], None])
def test_other_intents_cannot_be_cancelled(sandbox: Server, card: object):
    session = sandbox.create()
    sandbox.pay(session.id, "4242424242424242" if card else "4000000000000002")
    id = sandbox.session(session.id).payment_intent.id

    with pytest.raises(stripe.InvalidRequestError) as refused:
        sandbox.client.v1.payment_intents.cancel(id)

    assert refused.value.code == "payment_intent_unexpected_state"


REFUSING = [card for card in instruments.CARDS.values() if card.refusal and not card.challenge]


@pytest.mark.parametrize("card", REFUSING, ids=lambda card: card.number[-4:])
def test_a_decline_keeps_the_session_payable(sandbox: Server, card: instruments.TestCard):
    session = sandbox.create()

    answer = sandbox.pay(session.id, card.number)

    assert answer.status_code == 402
    assert 'role="alert"' in answer.text
    declined = sandbox.session(session.id)
    intent, charge = declined.payment_intent, declined.payment_intent.latest_charge
    assert (declined.status, intent.status) == ("open", "requires_payment_method")
    assert intent.payment_method is None
    assert intent.last_payment_error.code == card.refusal.code
    decline_code = getattr(intent.last_payment_error, "decline_code", None)
    assert decline_code == card.refusal.decline_code
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, card.refusal.code)
    assert sandbox.events_of(charge.id) == ["charge.failed"]
    assert shapes.problems(declined.to_dict()) == []


def test_after_a_decline_the_same_intent_is_paid(sandbox: Server):
    session = sandbox.create()
    sandbox.pay(session.id, "4000000000009995")
    first = sandbox.session(session.id).payment_intent.id

    sandbox.pay(session.id)

    paid = sandbox.session(session.id)
    assert (paid.payment_status, paid.payment_intent.id) == ("paid", first)
    assert paid.payment_intent.last_payment_error is None
    charges = sandbox.client.v1.charges.list({"payment_intent": first}).data
    assert [charge.status for charge in charges] == ["succeeded", "failed"]


@pytest.mark.parametrize("number", CHALLENGED)
def test_3ds_asks_and_then_pays(sandbox: Server, number: str):
    session = sandbox.create()

    asked = sandbox.pay(session.id, number)

    assert asked.status_code == 200
    assert 'name="three_ds"' in asked.text
    waiting = sandbox.session(session.id)
    assert waiting.payment_intent.status == "requires_action"
    assert waiting.payment_intent.next_action.type == "redirect_to_url"
    assert shapes.problems(waiting.to_dict()) == []
    assert sandbox.submit(session.id, three_ds="complete").status_code == 303
    assert sandbox.session(session.id).payment_status == "paid"


def test_3ds_can_fail_and_be_tried_again(sandbox: Server):
    session = sandbox.create()
    sandbox.pay(session.id, CHALLENGED[1])

    assert sandbox.submit(session.id, three_ds="fail").status_code == 402

    intent = sandbox.session(session.id).payment_intent
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.code == "payment_intent_authentication_failure"
    assert intent.latest_charge is None
    assert sandbox.submit(session.id, three_ds="complete").status_code == 402
    assert sandbox.pay(session.id).status_code == 303


def test_3ds_then_declined(sandbox: Server):
    session = sandbox.create()
    sandbox.pay(session.id, "4000008400001629")

    assert sandbox.submit(session.id, three_ds="complete").status_code == 402

    intent = sandbox.session(session.id).payment_intent
    assert (intent.status, intent.latest_charge.status) == ("requires_payment_method", "failed")


def test_upi_pays_and_declines(sandbox: Server):
    session = sandbox.create(**rupees("upi"))

    assert sandbox.submit(session.id, vpa="failure@upi").status_code == 402
    assert sandbox.session(session.id).status == "open"
    assert sandbox.submit(session.id, vpa="ada@okbank").status_code == 303

    paid = sandbox.session(session.id)
    charge = paid.payment_intent.latest_charge
    assert (paid.payment_status, charge.payment_method_details.type) == ("paid", "upi")
    assert charge.payment_method_details.upi.vpa == "ada@okbank"
    assert charge.id.startswith("py_")
    assert shapes.problems(paid.to_dict()) == []


@pytest.mark.parametrize("vpa", ["", "ada", "@bank", "ada@", "a b@bank", "ada@b@c"])
def test_a_wrong_vpa_touches_nothing(sandbox: Server, vpa: str):
    session = sandbox.create(**rupees("upi"))

    assert sandbox.submit(session.id, vpa=vpa).status_code == 400
    assert sandbox.session(session.id).payment_intent is None


@pytest.mark.parametrize(
    "form",
    [
        {"card_number": "4242424242424241"},
        {"card_number": "4242"},
        {"card_number": "4111111111111111"},
        {"exp_month": "13"},
        {"exp_month": "x"},
        {"exp_year": "2020"},
        {"exp_year": ""},
        {"cvc": "12"},
        {"email": "ada"},
    ],
)
def test_a_mistyped_card_touches_nothing(sandbox: Server, form: dict[str, str]):
    session = sandbox.create()
    number = form.pop("card_number", "4242424242424242")

    answer = sandbox.pay(session.id, number, **form)

    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert sandbox.session(session.id).payment_intent is None


def test_two_submits_at_once_charge_once(sandbox: Server):
    session = sandbox.create()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: sandbox.pay(session.id).status_code, range(8)))

    assert answers == [303] * 8
    assert successes(sandbox, session.id) == 1
    assert sandbox.events_of(session.id) == ["checkout.session.completed"]


def test_a_forced_late_success(sandbox: Server):
    session = sandbox.create()
    sandbox.pay(session.id, "4000000000000002")
    sandbox.client.v1.checkout.sessions.expire(session.id)
    assert sandbox.session(session.id).payment_intent.cancellation_reason == "expired"
    path = f"sessions/{session.id}/complete"

    assert sandbox.lever("POST", path).status_code == 409
    late = sandbox.lever("POST", path, {"force": True}).json()

    assert (late["status"], late["payment_status"]) == ("complete", "paid")
    assert shapes.problems(sandbox.session(session.id).to_dict()) == []
    assert successes(sandbox, session.id) == 1
    assert sandbox.lever("POST", path, {"force": True}).status_code == 409


def test_events_are_whole(sandbox: Server):
    sandbox.pay(sandbox.create().id)

    for event in sandbox.client.v1.events.list({"limit": 30}).data:
        assert shapes.problems(event.to_dict()) == []
