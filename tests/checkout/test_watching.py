"""What a shopper's browser may see and do with a client secret."""

import hashlib
import hmac
import threading
import time

import pytest
from tests_support import forget

from gateway.kernel import db
from gateway.merchants import service as merchants


def signature(secret, result):
    key = hmac.digest(secret.encode(), b"checkout-result", "sha256")
    names = ("order_id", "payment_id", "status", "amount", "currency")
    text = "|".join(str(result[name]) for name in names)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def test_a_reduced_view_and_nothing_of_the_servers(page):
    body = {"order_id": page.order["id"], "metadata": {"margin": "40%"}}
    made = page.as_merchant("POST", "/payments", json=body).json

    answer = page.look(made["client_secret"])

    assert answer.status_code == 200
    assert "40%" not in answer.text
    assert not {"metadata", "vpa", "return_url", "cancel_token", "client_secret"} & set(answer.json)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda secret: secret[:-1],
        lambda secret: secret[:-1] + ("0" if secret[-1] != "0" else "1"),
        lambda secret: secret.partition("_secret_")[0],
        lambda secret: secret.replace("_secret_", "_secret_x"),
        lambda _: "pay_01kjn0abcdefghjkmnpqrstvwx_secret_" + "0" * 64,
        lambda _: "é",
    ],
)
def test_another_secret_opens_nothing(page, spoil):
    secret = page.open().json["client_secret"]

    answer = page.look(spoil(secret))

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert page.cancel(spoil(secret), "0" * 64).status_code == 404


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        ("requires_action", "open", None),
        ("processing", "pending", None),
        ("authorized", "succeeded", None),
        ("succeeded", "succeeded", None),
        ("failed", "failed", "payment_declined"),
        ("expired", "failed", "session_expired"),
        ("cancelled", "cancelled", "payment_cancelled"),
        ("review", "pending", None),
    ],
)
def test_every_status_has_an_outcome(page, move, status, outcome, code):
    opened = page.open().json
    move(opened["payment_id"], status)

    seen = page.look(opened["client_secret"]).json

    assert (seen["status"], seen["outcome"]) == (status, outcome)
    assert (seen["failure"] or {}).get("code") == code
    assert (seen["result"] is not None) == (outcome in ("succeeded", "pending"))
    assert seen["version"] != opened["version"]


def test_a_decline_is_told_while_another_card_can_be_tried(page, move):
    opened = page.open().json
    declined = {"failure_code": "card_declined", "failure_message": "Your card was declined."}
    move(opened["payment_id"], "requires_action", **declined)

    seen = page.look(opened["client_secret"]).json

    assert (seen["outcome"], seen["settled"]) == ("open", False)
    assert seen["failure"] == {"code": "payment_declined", "message": "Your card was declined."}


def test_the_result_is_signed_with_the_keys_own_secret(page, move):
    opened = page.open().json
    move(opened["payment_id"], "succeeded")

    result = page.look(opened["client_secret"]).json["result"]

    assert result["signature"] == signature(page.shop.secret, result)
    assert result["signature"] != signature("secret_test_forged", result)
    assert (result["status"], result["amount"]) == ("succeeded", 4900)


def test_it_is_signed_for_who_began_it(page, move):
    opened = page.open().json
    with db.transaction(actor="test:setup") as tx:
        merchant = merchants.get(tx, page.shop.merchant_id)
        other = merchants.create_key(tx, merchant, livemode=False)
    page.open(key=other.key)
    move(opened["payment_id"], "succeeded")

    result = page.look(opened["client_secret"]).json["result"]

    assert result["signature"] == signature(page.shop.secret, result)


def test_what_the_shops_server_began_is_signed_as_well(page, move):
    made = page.as_merchant("POST", "/payments", json={"order_id": page.order["id"]}).json
    move(made["id"], "succeeded")

    result = page.look(made["client_secret"]).json["result"]

    assert result["signature"] == signature(page.shop.secret, result)


def test_a_revoked_key_signs_nothing(page, move):
    opened = page.open().json
    move(opened["payment_id"], "succeeded")
    with db.transaction(actor="test:setup") as tx:
        merchants.revoke_key(tx, page.shop.key)

    assert page.look(opened["client_secret"]).json["result"]["signature"] is None


def test_a_key_from_before_there_were_signatures_signs_nothing(page, move, sql):
    opened = page.open().json
    move(opened["payment_id"], "succeeded")
    sql("UPDATE api_keys SET sealed_result_key = null")

    assert page.look(opened["client_secret"]).json["result"]["signature"] is None


def test_the_shopper_waits_until_the_shop_has_heard(page, stripe, drain, receiver, advance):
    page.as_merchant("POST", "/webhook-endpoints", json={"url": receiver.url})
    opened = page.open().json
    drain()
    stripe.pay(page.look(opened["client_secret"]).json["checkout_url"])
    page.look(opened["client_secret"], ask="stripe")
    advance(4)
    drain(only="payments.")

    before = page.look(opened["client_secret"]).json
    drain()
    after = page.look(opened["client_secret"]).json

    assert (before["status"], before["acknowledged"], before["settled"]) == (
        "succeeded",
        False,
        False,
    )
    assert (after["acknowledged"], after["settled"]) == (True, True)
    assert before["version"] != after["version"]


def test_the_shopper_does_not_wait_for_ever(page, stripe, drain, receiver, advance):
    receiver.status = 500
    page.as_merchant("POST", "/webhook-endpoints", json={"url": receiver.url})
    opened = page.open().json
    drain()
    stripe.pay(page.look(opened["client_secret"]).json["checkout_url"])
    page.look(opened["client_secret"], ask="stripe")
    advance(4)
    drain(only="payments.")

    assert page.look(opened["client_secret"]).json["settled"] is False
    advance(16)

    seen = page.look(opened["client_secret"]).json
    assert (seen["acknowledged"], seen["settled"]) == (False, True)


def test_what_goes_back_is_no_success(page, stripe, drain, advance):
    """The order was cancelled while the shopper paid: nobody says that it is paid."""
    opened = page.open().json
    drain()
    url = page.look(opened["client_secret"]).json["checkout_url"]
    page.as_merchant("POST", f"/orders/{page.order['id']}/cancel")
    stripe.pay(url)
    page.look(opened["client_secret"], ask="stripe")
    advance(4)
    drain(only="payments.")

    going = page.look(opened["client_secret"]).json
    shown = page.client.get(f"/pay/{opened['client_secret']}/return").text
    drain()
    gone = page.look(opened["client_secret"]).json

    assert (going["status"], going["outcome"], going["settled"]) == ("succeeded", "failed", False)
    assert (going["result"], going["failure"]["code"]) == (None, "payment_refunded")
    assert "Your money is on its way back" in shown
    assert (gone["status"], gone["settled"]) == ("refunded", True)
    assert gone["failure"]["code"] == "payment_refunded"


def test_asking_has_stripe_asked_and_only_now_and_then(page, stripe, drain, sql, advance):
    stripe.faults(drop_webhooks=1.0)
    opened = page.open().json
    drain()
    first = page.look(opened["client_secret"], ask="stripe").json

    due = "SELECT due_at - gateway_now() <= interval '3 seconds' FROM payments"
    assert sql(due)
    stripe.pay(first["checkout_url"])
    advance(3)
    drain()
    assert page.look(opened["client_secret"]).json["status"] == "succeeded"
    later = sql("SELECT due_at FROM payments")
    page.look(opened["client_secret"], ask="stripe")
    assert sql("SELECT due_at FROM payments") == later


def test_reading_alone_asks_nobody(page, stripe, drain, sql):
    opened = page.open().json
    drain()
    before = sql("SELECT due_at FROM payments")

    page.look(opened["client_secret"])

    assert sql("SELECT due_at FROM payments") == before


def test_waiting_ends_with_a_change(page, move):
    opened = page.open().json
    answers = []

    def wait():
        client = page.client.application.test_client()
        path = f"/api/v1/checkout/{opened['client_secret']}?wait=10&seen={opened['version']}"
        answers.append(client.get(path).json)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    assert answers == []
    move(opened["payment_id"], "requires_action", checkout_url="https://checkout.example/1")
    waiting.join(10)

    assert answers[0]["checkout_url"] == "https://checkout.example/1"


def test_what_was_missed_is_answered_at_once(page, move):
    opened = page.open().json
    move(opened["payment_id"], "requires_action")
    began = time.monotonic()

    seen = page.look(opened["client_secret"], wait=20, seen=opened["version"]).json

    assert seen["status"] == "requires_action"
    assert time.monotonic() - began < 15  # it did not wait


@pytest.mark.parametrize("query", [{"wait": "21"}, {"wait": "-1"}, {"wait": "x"}, {"seen": "x"}])
def test_a_wish_that_is_none_is_said(page, query):
    answer = page.look(page.open().json["client_secret"], **query)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request")


def test_cancelling_with_the_token(page, stripe, drain):
    opened = page.open().json
    drain()

    answer = page.cancel(opened["client_secret"], opened["cancel_token"])

    assert answer.status_code == 202
    assert answer.json["cancel_requested_at"] is not None
    drain()
    assert page.look(opened["client_secret"]).json["outcome"] == "cancelled"


def test_one_payments_token_does_not_cancel_another(page):
    first = page.open().json
    page.cancel(first["client_secret"], first["cancel_token"])
    second = page.open().json

    answer = page.cancel(second["client_secret"], first["cancel_token"])

    assert (answer.status_code, answer.json["code"]) == (403, "cancel_token_wrong")


def test_the_client_secret_is_nowhere_but_with_who_opened_it(page, stripe, drain, sql):
    secret = page.open().json["client_secret"].partition("_secret_")[2]
    drain()

    for table in ("payments", "events", "idempotency_keys", "callback_deliveries"):
        assert not sql(f"SELECT bool_or(t::text LIKE '%{secret}%') FROM {table} t")
    assert secret in stripe.sessions()[0]["success_url"]


def test_shoppers_of_one_address_keep_to_a_pace(page, monkeypatch):
    secret = page.open().json["client_secret"]
    monkeypatch.setenv("GATEWAY_RATE_PER_SHOPPER", "3")
    forget()

    answers = [page.look(secret) for _ in range(6)]

    assert answers[0].status_code == 200
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].headers["Retry-After"] == "1"
    assert page.as_merchant("GET", "/payments").status_code == 200
