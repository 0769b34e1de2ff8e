"""The pages a shopper sees, as a browser without script has them."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.checkout import words
from gateway.checkout.scenes import Scene

from .test_watching import signature

HEADING = re.compile(r"<h1>(.*?)</h1>")


def shown(answer):
    return html.unescape(HEADING.search(answer.text)[1])


def leave(answer):
    found = re.search(r'data-leave="([^"]*)"', answer.text)
    return found and html.unescape(found[1])


def test_a_payment_link_leads_to_stripe(page, stripe, drain):
    opened = page.open().json
    early = page.client.get(urlsplit(opened["url"]).path)
    drain()
    ready = page.client.get(urlsplit(opened["url"]).path)

    assert (early.status_code, shown(early)) == (200, "Opening the payment page…")
    assert '<meta http-equiv="refresh"' in early.text
    assert ready.status_code == 303
    assert ready.headers["Location"] == page.look(opened["client_secret"]).json["checkout_url"]


def test_our_own_script_is_told_where_to_go(page, stripe, drain):
    path = urlsplit(page.open().json["url"]).path
    drain()

    answer = page.client.get(path, headers={"X-Pay-Page": "1"})

    assert answer.status_code == 200
    assert 'data-go="http' in answer.text


@pytest.mark.parametrize(
    ("status", "heading"),
    [
        ("processing", "The bank takes its time"),
        ("authorized", "Thank you, the amount is held"),
        ("failed", "The payment failed"),
        ("expired", "The time to pay is over"),
        ("cancelled", "The payment was cancelled"),
        ("review", "Somebody looks at your payment"),
    ],
)
def test_every_end_has_its_words(page, move, status, heading):
    opened = page.open().json
    move(opened["payment_id"], status, due_at=None)

    for path in ("", "/return", "/return?outcome=paid&status=succeeded"):
        answer = page.client.get(f"/pay/{opened['client_secret']}{path}")
        assert (answer.status_code, shown(answer)) == (200, heading)


def test_the_address_proves_nothing(page, stripe, drain):
    opened = page.open().json
    drain()

    answer = page.client.get(
        f"/pay/{opened['client_secret']}/return?outcome=paid&payment_status=paid&status=succeeded"
    )

    assert shown(answer) == "Checking your payment…"
    assert "signature" not in answer.text


def test_back_without_having_paid(page, stripe, drain, advance):
    opened = page.open().json
    drain()
    path = f"/pay/{opened['client_secret']}/return"
    first = page.client.get(path)
    came = re.search(r'data-came="([^"]*)"', first.text)[1]
    advance(4)
    drain()

    answer = page.client.get(f"{path}?came={came}")

    assert shown(first) == "Checking your payment…"
    assert shown(answer) == "Not paid yet"
    assert f'href="/pay/{opened["client_secret"]}"' in answer.text


def test_the_return_asks_stripe_when_the_webhook_is_late(page, stripe, drain, advance):
    stripe.faults(drop_webhooks=1.0)
    opened = page.open().json
    drain()
    stripe.pay(page.look(opened["client_secret"]).json["checkout_url"])
    path = f"/pay/{opened['client_secret']}/return"
    assert shown(page.client.get(path)) == "Checking your payment…"
    advance(4)
    drain()

    assert shown(page.client.get(path)) == "Thank you, it is paid"


def test_when_nobody_answers_it_says_so(page, stripe, drain, advance):
    opened = page.open().json
    drain()
    path = f"/pay/{opened['client_secret']}/return"
    came = re.search(r'data-came="([^"]*)"', page.client.get(path).text)[1]
    advance(16)

    answer = page.client.get(f"{path}?came={came}")

    assert shown(answer) == "We have no answer yet"
    assert "You will not be charged twice" in answer.text


@pytest.mark.parametrize("came", ["", "x", "nan", "inf", "-1e300", "9" * 400, "9999999999"])
def test_when_the_shopper_came_is_only_a_hint(page, stripe, drain, came):
    opened = page.open().json
    drain()

    answer = page.client.get(f"/pay/{opened['client_secret']}/return", query_string={"came": came})

    assert answer.status_code == 200
    assert shown(answer) in ("Checking your payment…", "Not paid yet", "We have no answer yet")


def test_the_shop_is_given_a_result_it_can_verify(page, move):
    back = "https://shop.example/thanks?cart=7&st%61tus=succeeded&signature=forged&x=%ff"
    opened = page.open(return_url=back).json
    move(opened["payment_id"], "authorized")

    url = leave(page.client.get(f"/pay/{opened['client_secret']}/return"))
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}

    assert url.startswith("https://shop.example/thanks?")
    assert query["cart"] == "7"
    assert "x=%ff" in url
    assert query["status"] == "authorized"
    assert query["signature"] == signature(page.shop.secret, query)


def test_a_failure_goes_back_without_a_signature(page, move):
    opened = page.open(return_url="https://shop.example/thanks").json
    move(opened["payment_id"], "failed")

    query = urlsplit(leave(page.client.get(f"/pay/{opened['client_secret']}/return"))).query

    assert "status=failed" in query
    assert "signature" not in query


def test_the_servers_own_return_url_is_kept(page, move):
    body = {"order_id": page.order["id"], "return_url": "https://elsewhere.example/done"}
    made = page.as_merchant("POST", "/payments", json=body).json
    move(made["id"], "succeeded")

    answer = page.client.get(f"/pay/{made['client_secret']}/return")

    assert leave(answer).startswith("https://elsewhere.example/done?")


@pytest.mark.parametrize("path", ["/pay/nonsense", "/pay/nonsense/return", "/pay/pay_1_secret_2"])
def test_a_link_that_is_none_is_a_page_as_well(page, path):
    answer = page.client.get(path)

    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert shown(answer) == "This is not a payment link of ours"


def test_a_gateway_that_cannot_answer_says_so(page, monkeypatch):
    from tests_support import forget

    secret = page.open().json["client_secret"]
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    forget()

    answer = page.client.get(f"/pay/{secret}")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert shown(answer) == "We cannot answer right now"


def test_the_headers_of_a_page_that_holds_a_secret(page):
    answer = page.client.get(urlsplit(page.open().json["url"]).path)
    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search("'nonce-([^']+)'", policy)[1]

    assert answer.headers["Cross-Origin-Opener-Policy"] == "unsafe-none"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.text.count(f'nonce="{nonce}"') == 2
    again = page.client.get(urlsplit(page.open().json["url"]).path)
    assert nonce not in again.headers["Content-Security-Policy"]


def test_nothing_a_merchant_names_can_break_the_page(page, move):
    opened = page.open(return_url="https://shop.example/?a=%22%3E%3Cscript%3E").json
    words = '"><script>alert(1)</script>'
    move(opened["payment_id"], "failed", failure_code="x", failure_message=words)

    answer = page.client.get(f"/pay/{opened['client_secret']}")

    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


def test_the_log_does_not_hold_the_secret(page, capsys):
    secret = page.open().json["client_secret"]
    page.client.get(f"/pay/{secret}")
    page.look(secret)

    written = capsys.readouterr()
    assert secret.partition("_secret_")[2] not in written.err + written.out


@pytest.mark.parametrize(
    ("accepted", "language", "heading"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Die Zahlungsseite öffnet sich …"),
        ("fr", "en", "Opening the payment page…"),
        ("", "en", "Opening the payment page…"),
        ("\xff;q=x", "en", "Opening the payment page…"),
    ],
)
def test_the_page_speaks_the_shoppers_language(page, accepted, language, heading):
    path = urlsplit(page.open().json["url"]).path

    answer = page.client.get(path, headers={"Accept-Language": accepted})

    assert shown(answer) == heading
    assert f'<html lang="{language}" dir="ltr">' in answer.text


def test_every_language_has_every_word():
    english = words.SCENES["en"]
    for language in words.LANGUAGES:
        assert set(words.SCENES[language]) == set(english)
        assert set(words.LABELS[language]) == set(words.LABELS["en"])
        assert set(words.REFUSALS[language]) == set(words.REFUSALS["en"])
        for name, said in words.SCENES[language].items():
            assert ("{why}" in said.text) == ("{why}" in english[name].text)
    assert set(words.DIALOG) == set(words.LANGUAGES) - {"en"}
    assert Scene("opening").works
