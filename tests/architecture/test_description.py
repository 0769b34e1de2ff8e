"""The API's description says of every door what the door was told, and is valid OpenAPI."""

import json

import pytest
import schemathesis

import gateway.cli.operations  # noqa: F401 - its errors are among them
from gateway.app import create_app
from gateway.kernel.errors import all_errors
from gateway.kernel.fields import Strict
from gateway.kernel.http import Declared
from gateway.kernel.stateful import Stateful
from gateway.openapi.document import document, path_of
from gateway.openapi.shapes import statuses

from .code import ROOT, kinds


@pytest.fixture
def app(database):
    return create_app()


def doors(app):
    """(path, method, what was declared) of every route with a door."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if hasattr(view, "door"):
            declared = getattr(view, "declared", None)
            yield path_of(rule), declared.method if declared else "POST", declared


def undescribed(app, described):
    return [
        f"{method} {path}"
        for path, method, _ in doors(app)
        if method.lower() not in described["paths"].get(path, {})
    ]


def test_every_route_with_a_door_is_described(app):
    assert len(list(doors(app))) > 15
    assert undescribed(app, document(app)) == []


def test_a_route_that_is_left_out_is_seen(app):
    described = document(app)
    del described["paths"]["/api/v1/payments"]["post"]

    assert undescribed(app, described) == ["POST /api/v1/payments"]


def test_nothing_is_described_that_is_not_there(app):
    there = {path_of(rule) for rule in app.url_map.iter_rules()}

    assert set(document(app)["paths"]) <= there


def test_the_description_is_valid(app):
    schemathesis.openapi.from_dict(document(app)).validate()


def test_every_operation_has_a_name_of_its_own_and_a_summary(app):
    operations = [each for path in document(app)["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]

    assert len(set(names)) == len(names)
    assert all(each["summary"] and len(each["summary"]) <= 80 for each in operations)


def test_it_is_generated_and_no_copy_of_it_is_kept():
    folders = ("docs", "gateway", "deploy")
    copies = [path for folder in folders for path in (ROOT / folder).rglob("openapi*.json")]

    assert copies == []


def test_every_answer_a_route_declares_is_described(app):
    described = document(app)
    for path, method, declared in doors(app):
        answers = described["paths"][path][method.lower()]["responses"]
        if isinstance(declared, Declared):
            promised = {declared.status, *declared.also, *(e.status for e in declared.refuses)}
            assert {str(status) for status in promised} <= set(answers), (method, path)
            assert {"422", "429", "503"} <= set(answers), (method, path)
            assert declared.public or {"401", "403"} <= set(answers), (method, path)


# What no described call answers: bases and bugs, another method's 405, and the operator's commands.
ELSEWHERE = {
    "conflict",
    "discrepancy_not_open",
    "forbidden",
    "illegal_transition",
    "internal_error",
    "merchant_exists",
    "method_not_allowed",
    "payment_being_refunded",
    "payment_not_under_review",
}


def test_every_error_is_told_where_it_can_happen(app):
    told = json.dumps(document(app)["paths"])
    untold = {error.code for error in all_errors() if f"`{error.code}`" not in told}

    assert untold == ELSEWHERE


def bodies(kind=Strict):
    for child in kind.__subclasses__():
        yield child
        yield from bodies(child)


@pytest.mark.parametrize("body", list(bodies()), ids=lambda body: body.__name__)
def test_every_example_is_accepted(body):
    for example in body.described.get("examples", []):
        assert body().load(example)


def test_every_body_has_an_example(app):
    for _, _, declared in doors(app):
        if isinstance(declared, Declared) and declared.accepts is not None:
            assert declared.accepts.described["examples"]


@pytest.mark.parametrize("kind", kinds(Stateful), ids=lambda kind: kind.KIND)
def test_the_statuses_of_every_kind_are_known(kind):
    assert statuses(kind.KIND) == list(type(kind.TRANSITIONS[None][0]))
