"""The pages a person sees, read as HTML."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from gateway.dev.sandbox import instruments, processing, samples

from .support import Server, euros, rupees


def page(sandbox: Server, session_id: str, query: str = "") -> requests.Response:
    return requests.get(f"{sandbox.url}/c/pay/{session_id}{query}", timeout=10)


def value_of(html: str, name: str) -> str | None:
    found = re.search(rf'<input id="{name}" name="{name}" value="([^"]*)"', html)
    return found and found.group(1)


def test_the_form_shows_what_is_bought(sandbox: Server):
    session = sandbox.create(customer_email="ada@example.com")

    shown = page(sandbox, session.id)

    assert shown.status_code == 200
    for text in ("Lamp", "Qty 2", "$50.00", "No money moves here", "Test cards", "More test cards"):
        assert text in shown.text
    assert value_of(shown.text, "email") == "ada@example.com"
    for name in ("card_number", "exp_month", "exp_year", "cvc", "email"):
        assert f'<label for="{name}">' in shown.text
    assert "script-src 'self'" in shown.headers["Content-Security-Policy"]
    assert 'name="vpa"' not in shown.text


def test_zero_decimal_amounts_have_no_cents(sandbox: Server):
    price = {"currency": "jpy", "unit_amount": 1200, "product_data": {"name": "茶"}}
    session = sandbox.create(line_items=[{"price_data": price, "quantity": 1}])

    assert "¥1,200<" in page(sandbox, session.id).text


def test_names_are_escaped(sandbox: Server):
    price = {"currency": "usd", "unit_amount": 1200, "product_data": {"name": "<script>x"}}
    session = sandbox.create(line_items=[{"price_data": price, "quantity": 1}])

    assert "<script>x" not in page(sandbox, session.id).text


def test_upi_is_prefilled_from_the_metadata(sandbox: Server):
    session = sandbox.create(**rupees("upi"), metadata={"vpa": "ada@okbank"})

    html = page(sandbox, session.id).text

    assert value_of(html, "vpa") == "ada@okbank"
    assert 'name="card_number"' not in html


def test_two_methods_are_a_choice(sandbox: Server):
    session = sandbox.create(**rupees())

    html = page(sandbox, session.id).text

    assert len(re.findall(r'name="method"', html)) == 2
    assert sandbox.submit(session.id, method="upi", vpa="a@b", card_number="").status_code == 400
    assert (
        sandbox.submit(session.id, method="upi", vpa="ada@upi", card_number="").status_code == 303
    )


def test_a_debit_is_a_choice_beside_the_card(sandbox: Server):
    session = sandbox.create(**euros())

    html = page(sandbox, session.id, "?iban=AT611904300234573201").text

    assert re.findall(r'name="method" value="(\w+)" (checked)?', html) == [
        ("card", ""),
        ("sepa_debit", "checked"),
    ]
    assert '<label for="iban">' in html
    assert value_of(html, "iban") == "AT611904300234573201"
    assert sandbox.submit(session.id, method="upi", vpa="ada@upi").status_code == 400
    form = {"method": "sepa_debit", "iban": "AT611904300234573201", "card_number": ""}
    assert sandbox.submit(session.id, **form).status_code == 303
    assert "Already confirmed" in page(sandbox, session.id).text


def test_a_card_still_needs_no_method(sandbox: Server):
    session = sandbox.create(**euros())

    assert sandbox.pay(session.id).status_code == 303
    assert sandbox.session(session.id).payment_status == "paid"


def test_a_test_card_fills_in_without_a_script(sandbox: Server):
    session = sandbox.create()

    html = page(sandbox, session.id, "?card=4000000000000002").text

    assert value_of(html, "card_number") == "4000000000000002"
    assert value_of(html, "cvc") == "123"
    assert value_of(html, "email") == "shopper@example.com"
    assert re.findall(r'card=(\d+)"[^>]*aria-current', html) == ["4000000000000002"]
    assert re.search(r'<button class="primary"[^>]* autofocus>', html)


def test_a_test_card_leaves_a_known_email_alone(sandbox: Server):
    session = sandbox.create(customer_email="ada@example.com")

    html = page(sandbox, session.id, "?card=378282246310005").text

    assert value_of(html, "email") == "ada@example.com"
    assert value_of(html, "cvc") == "1234"  # Four digits, as American Express has them.


def test_only_test_cards_come_in_by_a_link(sandbox: Server):
    session = sandbox.create()

    html = page(sandbox, session.id, "?card=4111111111111111").text
    other = page(sandbox, sandbox.create(**rupees("upi")).id, "?card=4242424242424242").text

    assert value_of(html, "card_number") == ""
    assert value_of(other, "email") == ""
    assert "autofocus" not in html + other


@pytest.mark.parametrize("sample", samples.ALL, ids=lambda sample: sample.value)
def test_a_sample_is_accepted_and_ends_as_it_says(sample: samples.Sample):
    read = {"card": by_card, "upi": instruments.upi, "sepa_debit": instruments.sepa}

    instrument = read[sample.method](sample.fills)

    ends_badly = instrument.refusal is not None or instrument.later == "late_failure"
    assert (sample.tone == "bad") == ends_badly
    assert sample.is_in(sample.fills)


def by_card(form: Mapping[str, str]) -> instruments.Instrument:
    return instruments.card(form, now=1_800_000_000)


def test_slow_methods_say_how_long_they_take(sandbox: Server):
    upi = page(sandbox, sandbox.create(**rupees()).id).text
    debit = page(sandbox, sandbox.create(**euros()).id).text

    assert chips(upi, "vpa") == [
        "Succeeds at once",
        "Declined at once",
        "Succeeds in an hour",
        "Fails in an hour",
    ]
    assert chips(debit, "iban") == [
        "Succeeds in three days",
        "Fails in three days",
        "No answer stays open",
    ]
    assert "A slow one takes an hour" in upi
    assert "The bank takes three days" in debit
    assert processing.DECIDED_AFTER_S == {"upi": 3600, "sepa_debit": 3 * 86400}


def chips(html: str, query: str) -> list[str]:
    """What the samples of one kind say, as a person reads it."""
    found = re.findall(rf'<a href="\?{query}=.*?>(.*?)</a>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", inner).split()) for inner in found]


def test_what_is_wrong_is_said_at_the_field(sandbox: Server):
    session = sandbox.create()

    html = sandbox.pay(session.id, "4242424242424241").text

    assert html.count('role="alert"') == 1
    field = html[html.index('id="card_number"') : html.index('for="exp_month"')]
    assert 'aria-invalid="true" aria-describedby="alert" autofocus' in field
    assert 'role="alert" id="alert">Your card number is invalid.' in field


def test_a_decline_is_said_above_the_form(sandbox: Server):
    html = sandbox.pay(sandbox.create().id, "4000000000000002").text

    assert html.count('role="alert"') == 1
    assert html.index('role="alert"') < html.index("<form")
    assert 'aria-invalid="true"' not in html


def test_many_items_are_folded(sandbox: Server):
    def line(name: str) -> dict[str, Any]:
        price = {"currency": "usd", "unit_amount": 100, "product_data": {"name": name}}
        return {"price_data": price, "quantity": 1}

    few = page(sandbox, sandbox.create(line_items=[line("Lamp"), line("Tea")]).id).text
    many = page(sandbox, sandbox.create(line_items=[line("Lamp")] * 9).id).text
    long = page(sandbox, sandbox.create(line_items=[line("Lamp " * 20)]).id).text

    assert '<details id="items">' not in few
    assert "and 8 more" in many
    assert "9 items" in many
    assert '<details id="items">' in long


def test_cancel_goes_back_and_leaves_the_session_open(sandbox: Server):
    session = sandbox.create()

    answer = sandbox.submit(session.id, action="cancel", card_number="")

    assert (answer.status_code, answer.headers["Location"]) == (303, "https://shop.example/cart")
    assert sandbox.session(session.id).status == "open"


def test_a_paid_session_is_not_paid_again(sandbox: Server):
    session = sandbox.create()
    sandbox.pay(session.id)

    again = page(sandbox, session.id)

    assert (again.status_code, "Already paid" in again.text) == (200, True)
    assert f"session={session.id}" in again.text
    assert sandbox.pay(session.id).status_code == 303


def test_without_a_success_url_there_is_an_own_page(sandbox: Server):
    session = sandbox.create(success_url=None)

    paid = sandbox.pay(session.id)

    assert (paid.status_code, "Paid" in paid.text) == (200, True)
    assert sandbox.pay(session.id).status_code == 409


def test_expired_and_unknown_pages(sandbox: Server):
    session = sandbox.create()
    sandbox.client.v1.checkout.sessions.expire(session.id)

    expired = page(sandbox, session.id)

    assert (expired.status_code, "This page has expired" in expired.text) == (410, True)
    assert sandbox.pay(session.id).status_code == 410
    assert page(sandbox, "cs_test_nope").status_code == 404
    assert sandbox.pay("cs_test_nope").status_code == 404


def test_a_reload_during_3ds_asks_again(sandbox: Server):
    session = sandbox.create()
    sandbox.pay(session.id, "4000002760003184")

    asked = page(sandbox, session.id).text

    for text in ('name="three_ds"', "Sandbox Bank", "$50.00", "ending in 3184"):
        assert text in asked


def test_slow_and_held_money_is_told_apart_from_paid(sandbox: Server):
    slow = sandbox.create(**euros("sepa_debit"))
    sandbox.submit(slow.id, iban="AT611904300234573201")
    held = sandbox.create(payment_intent_data={"capture_method": "manual"})
    sandbox.pay(held.id)

    assert "The bank takes three days to answer" in page(sandbox, slow.id).text
    assert "Already authorised" in page(sandbox, held.id).text
    sandbox.client.v1.payment_intents.cancel(sandbox.session(held.id).payment_intent.id)
    assert "The shop did not take the money" in page(sandbox, held.id).text
    intent = sandbox.session(slow.id).payment_intent.id
    sandbox.lever("POST", f"payment_intents/{intent}", {"status": "failed"})
    assert "Refused by the bank" in page(sandbox, slow.id).text


def test_nothing_of_a_page_is_inline(sandbox: Server):
    asked = sandbox.create()
    sandbox.pay(asked.id, "4000002760003184")
    paths = ["/", "/c/pay/cs_test_nope", f"/c/pay/{sandbox.create().id}", f"/c/pay/{asked.id}"]

    for path in paths:
        html = requests.get(sandbox.url + path, timeout=10).text
        assert re.findall(r'<style|\sstyle=|\son\w+=|<script(?! src="/assets/)', html) == []


@pytest.mark.parametrize("path", ["/", "/assets/sandbox.css", "/assets/pay.js"])
def test_the_rest_is_served(sandbox: Server, path: str):
    assert requests.get(sandbox.url + path, timeout=10).status_code == 200
