"""The validators themselves: they pass what Stripe would send or take, and notice the rest."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from stripe.params import EventListParams, PaymentIntentCancelParams
from stripe.params.checkout import SessionCreateParams

from gateway.dev.sandbox import forms, params, shapes, skeletons

GOOD = (
    "mode=payment&success_url=https%3A%2F%2Fshop%2Fs&line_items[0][quantity]=1"
    "&line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=100"
    "&line_items[0][price_data][product_data][name]=x&payment_intent_data[capture_method]=manual"
    "&metadata[order]=1&expand[0]=payment_intent&ui_mode=hosted_page"
)


def session(**fields: Any) -> dict[str, Any]:
    whole = {"id": "cs_test_1", "mode": "payment", "status": "open", "payment_status": "unpaid"}
    return skeletons.blank("checkout.session", **whole | fields)


def test_a_skeleton_has_every_field_and_no_problem():
    sizes = {"checkout.session": 69, "payment_intent": 47, "charge": 48, "event": 11}

    assert {name: len(skeletons.blank(name)) for name in sizes} == sizes
    assert shapes.problems(session()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda obj: obj.update(status="done"),
        lambda obj: obj.update(ui_mode="hosted"),
        lambda obj: obj.update(surprise=1),
        lambda obj: obj.pop("created"),
        lambda obj: obj.update(created=None),
        lambda obj: obj.update(created="yesterday"),
        lambda obj: obj.update(livemode=0),
        lambda obj: obj.update(amount_total=True),
        lambda obj: obj.update(metadata=["a"]),
        lambda obj: obj["automatic_tax"].update(surprise=1),
        lambda obj: obj.update(payment_intent={"object": "payment_intent"}),
        lambda obj: obj.update(line_items={"object": "list", "data": []}),
        lambda obj: obj.update(object="checkout.sessions"),
    ],
)
def test_a_broken_field_is_reported(spoil: Callable[[dict[str, Any]], Any]):
    obj = session()

    spoil(obj)

    assert shapes.problems(obj)


def test_an_expanded_object_is_fine_and_is_checked_too():
    intent = skeletons.blank("payment_intent", id="pi_1", currency="usd")
    assert shapes.problems(session(payment_intent=intent)) == []

    intent["status"] = "paid"

    assert shapes.problems(session(payment_intent=intent)) == [
        "$.payment_intent.status: unknown value 'paid'"
    ]


def test_a_good_request_is_read_into_values():
    read = params.read(SessionCreateParams, GOOD)

    assert read.problems == []
    assert read.values["line_items"][0]["price_data"]["unit_amount"] == 100
    assert read.values["expand"] == ["payment_intent"]


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [
        ("&foo=1", "foo", "parameter_unknown"),
        ("&payment_intent_data[x]=1", "payment_intent_data[x]", "parameter_unknown"),
        ("&payment_method_types[0]=card", "payment_method_types", "parameter_unknown"),
        ("&expires_at=soon", "expires_at", "parameter_invalid_integer"),
        ("&expires_at=1.5", "expires_at", "parameter_invalid_integer"),
        ("&ui_mode=hosted", "ui_mode", None),
        ("&mode=pay", "mode", None),
        ("&allowed_payment_method_types[0]=visa", "allowed_payment_method_types[0]", None),
        ("&allow_promotion_codes=1", "allow_promotion_codes", None),
        ("&line_items[1][price_data][unit_amount]=1", "line_items[1][price_data][currency]",
         "parameter_missing"),
    ],
)  # fmt: skip
def test_a_bad_request_is_reported(more: str, param: str, code: str | None):
    found = params.problems(SessionCreateParams, GOOD + more)

    assert (found[0].param, found[0].code) == (param, code)


def test_other_calls_are_read_by_their_own_types():
    good = "types[0]=charge.refunded&created[gte]=5&limit=100&delivery_success=false"
    assert params.read(EventListParams, good).values["created"] == {"gte": 5}
    assert params.read(EventListParams, "created=5").values["created"] == 5
    assert params.problems(EventListParams, "before=1")
    assert params.problems(PaymentIntentCancelParams, "cancellation_reason=boredom")


def test_brackets_become_hashes_and_arrays():
    body = f"a[b][]=1&a[b][]=2&c[0][d]=x&e[f]={quote('ü&')}&g="

    assert forms.parse(body) == {
        "a": {"b": ["1", "2"]},
        "c": [{"d": "x"}],
        "e": {"f": "ü&"},
        "g": "",
    }
    with pytest.raises(forms.MalformedForm):
        forms.parse("a=1&a[b]=2")
