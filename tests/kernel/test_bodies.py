"""What the schemas of orders and payments refuse is 422, by name. Nothing is ever 5xx."""

import json
import threading

import pytest
from tests_support import check_problem

from gateway.kernel import bodies

PATHS = ("/orders", "/payments")
ORDER = {"currency": "EUR", "amount": 1999}
PAYMENT = {"order_id": "ord-1", "currency": "EUR", "amount": 1999}
SOUND = {"/orders": ORDER, "/payments": PAYMENT}


REFUSED = {
    "an unknown field": {"colour": "red"},
    "__proto__": {"__proto__": {"amount": 1}},
    "constructor": {"constructor": {"prototype": {}}},
    "an unknown surrogate": {"\ud800": 1},
    "an unknown NUL": {"a\u0000b": 1},
    "an empty name": {"": 1},
    "amount 0": {"amount": 0},
    "amount -1": {"amount": -1},
    "amount true": {"amount": True},
    "amount text": {"amount": "100"},
    "amount 100.0": {"amount": 100.0},
    "amount 19.99": {"amount": 19.99},
    "amount too large": {"amount": 100_000_000},
    "amount 2^31": {"amount": 2**31},
    "amount 2^63": {"amount": 2**63},
    "amount -2^63-1": {"amount": -(2**63) - 1},
    "amount 10^30": {"amount": 10**30},
    "amount fullwidth": {"amount": "１２３"},  # noqa: RUF001 - the point
    "amount with underscore": {"amount": "1_000"},
    "amount list": {"amount": [100]},
    "amount object": {"amount": {"value": 100}},
    "JPY 100.5": {"currency": "JPY", "amount": 100.5},
    "BHD 1001": {"currency": "BHD", "amount": 1001},
    "UGX 150": {"currency": "UGX", "amount": 150},
    "currency US": {"currency": "US"},
    "currency usdd": {"currency": "usdd"},
    "currency XXX": {"currency": "XXX"},
    "currency u$d": {"currency": "u$d"},
    "currency fullwidth": {"currency": "ＵＳＤ"},  # noqa: RUF001 - the point
    "currency long s": {"currency": "uſd"},  # noqa: RUF001 - upper() makes an S of it
    "currency empty": {"currency": ""},
    "currency blank": {"currency": "EUR "},
    "currency number": {"currency": 978},
    "currency list": {"currency": ["EUR"]},
    "currency object": {"currency": {"code": "EUR"}},
    "currency true": {"currency": True},
    "metadata null": {"metadata": None},
    "metadata list": {"metadata": []},
    "metadata text": {"metadata": "a=b"},
    "metadata number": {"metadata": {"a": 1}},
    "metadata nested": {"metadata": {"a": {"b": "c"}}},
    "metadata null value": {"metadata": {"a": None}},
    "metadata infinite": {"metadata": {"a": float("1e308") * 10}},
    "metadata 5,000 keys": {"metadata": {f"k{n}": "" for n in range(5000)}},
    "metadata 51 keys": {"metadata": {f"k{n}": "" for n in range(51)}},
    "metadata NUL": {"metadata": {"a": "\u0000"}},
    "metadata NUL in a key": {"metadata": {"a\u0000": "b"}},
    "metadata surrogate": {"metadata": {"a": "\ud800"}},
    "metadata empty key": {"metadata": {"": "b"}},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_the_schema_refuses_is_422(call, path, change):
    raw = json.dumps(SOUND[path] | change).replace("Infinity", "1e999")
    answer = call("POST", path, data=raw, content_type="application/json")

    body = check_problem(answer, 422, "invalid_request")
    assert body["errors"]
    assert any(name in error["param"] for name in change for error in body["errors"])


ITEM = {"name": "Tea", "quantity": 1, "unit_amount": 500}
BAD_ORDERS = {
    "reference of another alphabet": {"reference": "a b"},
    "reference CR LF": {"reference": "a\r\nSet-Cookie: x"},
    "reference with a line feed at its end": {"reference": "a\n"},
    "reference empty": {"reference": ""},
    "reference of 65": {"reference": "a" * 65},
    "reference like an id": {"reference": "ord_" + "0" * 26},
    "reference like another id": {"reference": "pay_" + "0" * 26},
    "reference combining marks": {"reference": "e" + "\u0301" * 1000},
    "reference RTL": {"reference": "a\u202eb"},
    "e-mail with line feed": {"customer_email": "a@b.example\nBcc: all@b.example"},
    "e-mail with CR": {"customer_email": '"a\rb"@b.example'},
    "e-mail with a control character": {"customer_email": '"a\u0001b"@b.example'},
    "e-mail with a surrogate": {"customer_email": "\ud800@b.example"},
    "e-mail empty": {"customer_email": ""},
    "e-mail too long": {"customer_email": f"{'a' * 250}@b.example"},
    "neither items nor amount": {"amount": ...},
    "items and amount": {"items": [ITEM]},
    "items null": {"items": None},
    "items object": {"items": ITEM},
    "items of null": {"items": [None], "amount": ...},
    "items of text": {"items": ["tea"], "amount": ...},
    "an unknown item field": {"items": [ITEM | {"weight": 1}], "amount": ...},
    "101 items": {"items": [ITEM] * 101, "amount": ...},
    "quantity 0": {"items": [ITEM | {"quantity": 0}], "amount": ...},
    "quantity true": {"items": [ITEM | {"quantity": True}], "amount": ...},
    "quantity 1.0": {"items": [ITEM | {"quantity": 1.0}], "amount": ...},
    "quantity 10001": {"items": [ITEM | {"quantity": 10_001}], "amount": ...},
    "an item for nothing": {"items": [ITEM | {"unit_amount": 0}], "amount": ...},
    "a sum too large": {"items": [ITEM | {"unit_amount": 60_000_000}] * 2, "amount": ...},
    "a name that is NUL": {"items": [ITEM | {"name": "\u0000"}], "amount": ...},
    "a name of 201": {"items": [ITEM | {"name": "\N{TEACUP WITHOUT HANDLE}" * 201}], "amount": ...},
    "a nameless item": {"items": [{"quantity": 1, "unit_amount": 5}], "amount": ...},
    "a sku with blanks": {"items": [ITEM | {"sku": "a b"}], "amount": ...},
    "BHD items": {"items": [ITEM | {"unit_amount": 11}], "amount": ..., "currency": "BHD"},
    "no currency": {"currency": ...},
}
BAD_PAYMENTS = {
    "no order": {"order_id": ...},
    "order null": {"order_id": None},
    "order number": {"order_id": 5},
    "order list": {"order_id": ["a"]},
    "order NUL": {"order_id": "a\u0000"},
    "order of another alphabet": {"order_id": "'; DROP TABLE orders--"},
    "the id of a payment": {"order_id": "pay_" + "0" * 26},
    "method cash": {"method": "cash"},
    "method list": {"method": ["card"]},
    "method upper case": {"method": "CARD"},
    "vpa without upi": {"vpa": "test@upi"},
    "vpa nonsense": {"method": "upi", "currency": "INR", "vpa": "nobody"},
    "vpa line feed": {"method": "upi", "currency": "INR", "vpa": "test@upi\n"},
    "upi in EUR": {"method": "upi"},
    "upi captured later": {"method": "upi", "currency": "INR", "capture_method": "manual"},
    "capture never": {"capture_method": "never"},
    "capture null": {"capture_method": None},
    **{
        f"return_url {url!r}": {"return_url": url}
        for url in (
            "//evil.example",
            "javascript:alert(1)",
            "https:evil.example",
            "https://",
            "https:\\\\evil.example",
            "https://good.example\\@evil.example",
            "https://good.example@evil.example/",
            "https://evil.example/\r\nSet-Cookie: x",
            "https://evil.example:99999/",
            "https://[::1/",
            "https://exämple.example/",
            "ftp://shop.example/",
            "/done",
            " https://shop.example/",
            f"https://shop.example/{'a' * 2000}",
        )
    },
}


def changed(sound, change):
    """`...` takes the field away."""
    return {name: value for name, value in (sound | change).items() if value is not ...}


@pytest.mark.parametrize("change", BAD_ORDERS.values(), ids=BAD_ORDERS)
def test_an_order_that_is_not_sound_is_422(call, change):
    check_problem(call("POST", "/orders", json=changed(ORDER, change)), 422, "invalid_request")


@pytest.mark.parametrize("change", BAD_PAYMENTS.values(), ids=BAD_PAYMENTS)
def test_a_payment_that_is_not_sound_is_422(call, change):
    check_problem(call("POST", "/payments", json=changed(PAYMENT, change)), 422, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
def test_a_body_without_anything_required_is_422_by_name(call, path):
    required = {"/orders": "currency", "/payments": "order_id"}[path]
    body = check_problem(call("POST", path), 422)

    assert required in {error["param"] for error in body["errors"]}


def test_a_charset_in_the_content_type_is_fine(call):
    what = "application/json; charset=utf-8"
    check_problem(call("POST", "/orders", data=b"{}", content_type=what), 422)


def test_every_fault_is_named_at_once(call):
    body = {"currency": "XXX", "items": [ITEM | {"name": "", "quantity": 0}], "colour": "red"}
    answer = check_problem(call("POST", "/orders", json=body), 422)

    named = {error["param"] for error in answer["errors"]}
    assert named == {"currency", "items[0].name", "items[0].quantity", "colour"}


def test_senders_who_never_finish_do_not_hold_every_thread(client, shop, monkeypatch):
    monkeypatch.setattr(bodies, "_readers", threading.BoundedSemaphore(1))
    monkeypatch.setattr(bodies, "_PATIENCE_SECONDS", 0.05)
    with bodies._readers:
        posted = client.post("/api/v1/orders", json={}, headers=shop.headers)
        hook = client.post("/webhooks/stripe", data=b"{}")
        read = client.get("/api/v1/orders", headers=shop.headers)

    assert (posted.status_code, hook.status_code, read.status_code) == (503, 503, 200)
    assert posted.headers["Retry-After"] == "1"
