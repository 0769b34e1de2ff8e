"""The description is true: what it allows is taken, and what comes back is what it promises."""

import json
from itertools import chain

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema_rs import validator_for
from marshmallow import ValidationError

from gateway.app import create_app
from gateway.callbacks.replay_schemas import ReplayCreate
from gateway.callbacks.schemas import (
    EndpointCreate,
    EndpointDisable,
    EndpointPatch,
    SecretRotate,
)
from gateway.merchants.schemas import MerchantPatch
from gateway.openapi.document import document
from gateway.orders.schemas import OrderCreate
from gateway.payments.schemas import PaymentCreate

ORDER = {"reference": "cart-1", "currency": "EUR", "amount": 1999}


@pytest.fixture
def described(client):
    return client.get("/openapi.json").json


def test_anybody_may_read_it_and_ask_whether_it_has_changed(client):
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, first.content_type) == (200, "application/json")
    assert first.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.data) == (304, b"")


def test_it_is_of_this_version_and_place(described):
    assert described["openapi"] == "3.1.0"
    assert described["servers"] == [{"url": "http://127.0.0.1:8000"}]


def test_a_key_and_its_secret_are_asked_for_together_or_as_basic(described):
    assert described["security"] == [{"ApiKey": [], "ApiSecret": []}, {"Basic": []}]
    assert described["paths"]["/healthz"]["get"]["security"] == []


def test_what_is_unknown_is_refused_on_the_way_in_and_allowed_on_the_way_out(described):
    shapes = described["components"]["schemas"]

    assert shapes["OrderCreate"]["additionalProperties"] is False
    assert shapes["Item"]["additionalProperties"] is False
    assert "additionalProperties" not in shapes["Order"]


def test_a_body_may_be_left_out_where_all_its_fields_may(described):
    paths = described["paths"]

    assert paths["/api/v1/orders"]["post"]["requestBody"]["required"] is True
    assert paths["/api/v1/merchant"]["patch"]["requestBody"]["required"] is False
    assert "requestBody" not in paths["/api/v1/webhook-deliveries/{delivery_id}/retry"]["post"]


def test_a_refusal_names_its_codes_and_when_to_come_back(described):
    answers = described["paths"]["/api/v1/payments"]["post"]["responses"]

    for code in ("order_already_paid", "payment_in_progress", "idempotency_key_in_use"):
        assert f"`{code}`" in answers["409"]["description"]
    assert "`rate_limited`" in answers["429"]["description"]
    for status in ("409", "429", "503"):
        assert "Retry-After" in answers[status]["headers"]


def test_headers_are_described_where_they_are_read(described):
    paths = described["paths"]

    def headers(path, method):
        found = paths[path][method]["parameters"]
        return {each["name"] for each in found if each["in"] == "header"}

    assert headers("/api/v1/payments", "post") == {"Idempotency-Key"}
    assert headers("/api/v1/payments/{payment_id}", "get") == {"Prefer"}
    assert headers("/api/v1/merchant", "patch") == set()


def test_statuses_and_limits_are_listed(described):
    query = {
        p["name"]: p["schema"] for p in described["paths"]["/api/v1/orders"]["get"]["parameters"]
    }

    assert query["status"]["enum"][0] == "created"
    assert (query["limit"]["minimum"], query["limit"]["maximum"]) == (1, 100)
    assert query["starting_after"]["type"] == "string"


BODIES = {
    "createOrder": ("/api/v1/orders", "POST", OrderCreate),
    "createPayment": ("/api/v1/payments", "POST", PaymentCreate),
    "createEndpoint": ("/api/v1/webhook-endpoints", "POST", EndpointCreate),
    "changeEndpoint": ("/api/v1/webhook-endpoints/{endpoint_id}", "PATCH", EndpointPatch),
    "rotateSecret": (
        "/api/v1/webhook-endpoints/{endpoint_id}/rotate-secret",
        "POST",
        SecretRotate,
    ),
    "disableEndpoint": (
        "/api/v1/webhook-endpoints/{endpoint_id}/disable",
        "POST",
        EndpointDisable,
    ),
    "replayEndpoint": (
        "/api/v1/webhook-endpoints/{endpoint_id}/replay",
        "POST",
        ReplayCreate,
    ),
    "changeMerchant": ("/api/v1/merchant", "PATCH", MerchantPatch),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_the_description_allows_is_taken(described, name):
    path, method, body = BODIES[name]
    operation = schemathesis.openapi.from_dict(described)[path][method]

    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def take(case):
        if isinstance(case.body, dict):
            check_taken(body(), whole_numbers(case.body))

    take()


def check_taken(body, sent):
    """Taken; or refused by the one rule that JSON Schema cannot say: what the items come to."""
    refused = body.validate(sent)
    assert not refused or sent.get("items"), (refused, sent)
    for why in chain(*refused.values()):
        assert "The items come to" in why or "must be 0" in why, refused


def whole_numbers(value):
    """JSON Schema calls 5.0 an integer; the gateway wants it written as one."""
    if isinstance(value, dict):
        return {key: whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.mark.parametrize(
    ("shape", "sent"),
    [
        ("OrderCreate", {"currency": "EUR"}),
        ("OrderCreate", {"currency": "XXX", "amount": 1}),
        ("OrderCreate", {"currency": "EUR", "amount": 0}),
        ("OrderCreate", {"currency": "KWD", "amount": 1001}),
        ("OrderCreate", {"currency": "EUR", "amount": 1, "reference": ".."}),
        ("OrderCreate", {"currency": "EUR", "amount": 1, "reference": "pay_" + "0" * 26}),
        ("OrderCreate", {"currency": "EUR", "amount": 1, "metadata": {"": "x"}}),
        ("OrderCreate", {"currency": "EUR", "amount": 1, "metadata": {"a": "\x00"}}),
        ("OrderCreate", {"currency": "EUR", "amount": 1, "colour": "red"}),
        ("PaymentCreate", {"order_id": "a", "vpa": "a1@bank"}),
        ("PaymentCreate", {"order_id": "a", "method": "upi", "currency": "EUR"}),
        ("PaymentCreate", {"order_id": "a", "method": "upi", "capture_method": "manual"}),
        ("PaymentCreate", {"order_id": "pay_" + "0" * 26}),
        ("EndpointCreate", {"url": "http://shop.example/hooks"}),
        ("EndpointCreate", {"url": "https://shop.example/hooks", "events": []}),
        ("SecretRotate", {"overlap_seconds": 604_801}),
        ("SecretRotate", {"overlap_seconds": None}),
        ("EndpointDisable", {"reason": ""}),
        ("ReplayCreate", {}),
        ("ReplayCreate", {"since": "2026-01-31T09:30:00"}),
        ("ReplayCreate", {"since": "2026-01-31T09:30:00Z", "until": None}),
        ("ReplayCreate", {"since": "2026-01-31T09:30:00Z", "status": "lost"}),
        ("ReplayCreate", {"since": "2026-01-31T09:30:00Z", "dry_run": "true"}),
        ("MerchantPatch", {"allowed_origins": ["https://shop.example/"]}),
    ],
)
def test_what_is_refused_is_not_allowed_by_the_description(described, shape, sent):
    body = next(each for _, _, each in BODIES.values() if each.__name__ == shape)
    with pytest.raises(ValidationError):
        body().load(sent)

    assert not validator(described, {"$ref": f"#/components/schemas/{shape}"}).is_valid(sent)


def validator(described, schema):
    return validator_for(schema | {"components": described["components"]})


@pytest.fixture
def shows(client, shop, described):
    """Make a call, and hold the answer against what the description says of it."""

    def call(method, path, rule=None, **what):
        answer = client.open(f"/api/v1{path}", method=method, headers=shop.headers, **what)
        operation = described["paths"][f"/api/v1{rule or path}"][method.lower()]
        content = operation["responses"][str(answer.status_code)]["content"]
        validator(described, content[answer.content_type]["schema"]).validate(answer.json)
        return answer

    return call


def test_answers_are_as_described(shows, shop, drain):
    endpoint = shows("POST", "/webhook-endpoints", json={"url": "http://127.0.0.1:1/hook"}).json
    order = shows("POST", "/orders", json=ORDER).json
    payment = shows("POST", "/payments", json={"order_id": "cart-1"}).json
    drain(only="callbacks.")
    for kind in ("orders", "payments", "webhook-endpoints", "webhook-deliveries"):
        page = shows("GET", f"/{kind}").json
        assert page["data"], kind
    delivery = page["data"][0]

    shows("GET", "/merchant")
    shows("GET", f"/orders/{order['id']}", "/orders/{name}")
    shows("GET", f"/payments/{payment['id']}", "/payments/{payment_id}")
    shows("GET", f"/webhook-deliveries/{delivery['id']}", "/webhook-deliveries/{delivery_id}")
    rule = "/webhook-deliveries/{delivery_id}/retry"
    shows("POST", f"/webhook-deliveries/{delivery['id']}/retry", rule)
    check_upkeep(shows, f"/webhook-endpoints/{endpoint['id']}", "/webhook-endpoints/{endpoint_id}")
    shows("DELETE", f"/webhook-endpoints/{endpoint['id']}", "/webhook-endpoints/{endpoint_id}")
    assert shows("POST", "/orders", json=ORDER).status_code == 200
    assert shows("POST", "/orders", json=ORDER | {"amount": 1}).status_code == 409
    assert shows("POST", "/orders", json={}).status_code == 422
    assert shows("GET", "/orders/none", "/orders/{name}").status_code == 404


def check_upkeep(shows, path, rule):
    """An endpoint's other calls; each answer is held against its description."""
    time = {"since": "2025-01-31T09:30:00Z"}
    shows("POST", f"{path}/rotate-secret", f"{rule}/rotate-secret")
    shows("POST", f"{path}/test", f"{rule}/test")
    counted = shows("POST", f"{path}/replay", f"{rule}/replay", json=time | {"dry_run": True})
    assert counted.status_code == 200
    replay = shows("POST", f"{path}/replay", f"{rule}/replay", json=time).json["id"]
    shows("GET", f"{path}/replays", f"{rule}/replays")
    shows("GET", f"{path}/replays/{replay}", f"{rule}/replays/{{replay_id}}")
    shows("POST", f"{path}/disable", f"{rule}/disable")
    assert shows("POST", f"{path}/test", f"{rule}/test").status_code == 409
    shows("POST", f"{path}/enable", f"{rule}/enable")


def test_it_is_made_once(database, monkeypatch):
    client = create_app().test_client()
    first = client.get("/openapi.json").data
    monkeypatch.setattr("gateway.openapi.document", lambda app: {})

    assert client.get("/openapi.json").data == first
    assert json.loads(first) == document(client.application)
