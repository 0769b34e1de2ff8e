"""Every field of every body, with every value that its type must refuse; and those it must keep."""

import json

import pytest
from marshmallow import fields
from tests_support import check_problem

from gateway.kernel.fields import Metadata

from .values import HARMLESS, all_fields, is_free_text, put, wrong

ITEM = {"name": "Tea", "quantity": 1, "unit_amount": 500}


def bodies(api):
    return [route for route in api.writes if route.declared.accepts is not None]


def test_every_field_refuses_what_its_type_cannot_be(api, faults, unchanged):
    tried = 0
    for route in bodies(api):
        path = api.standing_path(route)
        for name, field in all_fields(route.declared.accepts):
            for value in wrong(field):
                answer = send(api, route, path, route.example() | put(name, value))
                faults.check(f"{route} {name}={value!r:.60}", check_named, answer, name)
                tried += 1
    assert tried > 400


def send(api, route, path, body):
    raw = json.dumps(body)  # surrogates as escapes, which JSON allows
    return api.call(route.method, path, data=raw, content_type="application/json")


def check_named(answer, name):
    body = check_problem(answer, 422, "invalid_request")
    outer = name.partition("[")[0]
    named = {error["param"] for error in body["errors"]}
    assert any(each == name or each.startswith(outer) for each in named), named


def test_what_is_infinite_is_refused_by_every_number(api, faults, unchanged):
    for route in bodies(api):
        path = api.standing_path(route)
        for name, field in all_fields(route.declared.accepts):
            if isinstance(field, fields.Integer):
                raw = json.dumps(route.example() | put(name, "@")).replace('"@"', "1e999")
                what = {"data": raw, "content_type": "application/json"}
                faults.check(str(route), check_named, api.call(route.method, path, **what), name)


def test_a_thousand_faults_are_one_short_answer(api, faults, unchanged):
    """A body that is wrong everywhere must not be echoed back many times over."""
    for route in bodies(api):
        for name, field in all_fields(route.declared.accepts):
            if isinstance(field, fields.List):
                body = route.example() | {name.partition("[")[0]: ["<x>"] * 5_000}
                answer = send(api, route, api.standing_path(route), body)
                faults.check(str(route), check_short, answer)


def check_short(answer):
    check_problem(answer, 422, "invalid_request")
    assert len(answer.data) < 64 * 1024, len(answer.data)


@pytest.mark.parametrize("text", HARMLESS)
def test_text_that_only_looks_dangerous_comes_back_as_it_was(api, text):
    kept = 0
    for route in bodies(api):
        for name, field in all_fields(route.declared.accepts):
            if is_free_text(field) or isinstance(field, Metadata):
                value = {text[:40]: text} if isinstance(field, Metadata) else text
                check_kept(api, route, name, value)
                kept += 1
    assert kept >= 4


def check_kept(api, route, name, value):
    body = {key: each for key, each in route.example().items() if key != "reference"}
    if name.startswith("items[0]"):
        body.pop("amount", None)
        body["items"] = [ITEM | put(name, value)["items"][0]]
    else:
        body |= put(name, value)
    if "order_id" in body:
        body["order_id"] = f"kept-{api.number()}"
    answer = send(api, route, api.fresh_path(route), body)
    assert answer.status_code in (200, 201, 202), answer.text
    assert answer.content_type == "application/json"
    held = answer.json
    api.delete(route, held)
    for key, each in put(name, value).items():
        if key == "reason" and "disabled_reason" in held:
            key, each = "disabled_reason", {"code": "paused", "message": each}
        assert (held[key] == each) or (held[key][0]["name"] == each[0]["name"])


def test_a_text_is_measured_in_characters_not_bytes(api):
    for route in bodies(api):
        for name, field in all_fields(route.declared.accepts):
            if is_free_text(field) and "[" not in name:
                sent = route.example() | put(name, "🚀" * field.longest)
                answer = send(api, route, api.fresh_path(route), sent)
                assert answer.status_code in (200, 201, 202)
                api.delete(route, answer.json)
                sent = route.example() | put(name, "🚀" * (field.longest + 1))
                check_named(send(api, route, api.standing_path(route), sent), name)


MONEY = [(1000, "JPY", 201), (1, "JPY", 201), (100.5, "JPY", 422), (1001, "BHD", 422)]
MONEY += [(1010, "BHD", 201), (150, "UGX", 422), (100, "UGX", 201), (99_999_999, "EUR", 201)]


@pytest.mark.parametrize(("amount", "currency", "status"), MONEY)
def test_amounts_are_whole_minor_units_of_their_currency(api, amount, currency, status):
    for path, more in (("/orders", {}), ("/payments", {"order_id": f"money-{api.number()}"})):
        answer = api.call("POST", path, json={"amount": amount, "currency": currency} | more)
        assert answer.status_code == status, answer.text
        if status == 201:
            assert (answer.json["amount"], answer.json["currency"]) == (amount, currency)
