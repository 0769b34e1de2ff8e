"""The handbook says what is so: variables, metrics, checks, commands."""

import os
import re

import pytest

from gateway import health
from gateway.cli import main_group, merchants, operations, processes  # noqa: F401 - they add commands
from gateway.dev import variables
from gateway.kernel.db import POOL_SIZE, SPARE, transaction
from gateway.settings import InvalidSettings, settings

from .compose import ROOT, services

PAGE = (ROOT / "docs/operations.md").read_text()
OTHERS = {"gateway_app", "gateway_owner", "gateway_now"}
READ_ELSEWHERE = {"GATEWAY_MIGRATION_URL", "GATEWAY_PROCESS", "PROMETHEUS_MULTIPROC_DIR"}


# Variables.


def test_the_table_of_variables_is_what_the_example_says():
    assert variables.page(PAGE) == PAGE, "run: python -m gateway.dev.variables"
    assert len(variables.variables()) > 15
    assert all(each.why.endswith(".") for each in variables.variables())


@pytest.fixture
def read(monkeypatch):
    """Settings from exactly this environment."""

    def load(**given):
        for each in variables.variables():
            monkeypatch.delenv(each.name, raising=False)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        return settings()

    yield load
    monkeypatch.undo()
    settings.cache_clear()


def test_what_the_table_calls_required_is_refused_when_it_is_missing(read):
    with pytest.raises(InvalidSettings) as refused:
        read()

    missing = set(re.findall(r"^  ([A-Z_]+): ", str(refused.value), re.MULTILINE))
    assert missing == {each.name for each in variables.variables() if each.default is None}


def test_a_default_of_the_table_changes_nothing_when_it_is_written_out(read):
    required = {
        each.name: os.environ[each.name] for each in variables.variables() if each.default is None
    } | {"GATEWAY_BASE_URL": "https://pay.example"}
    optional = {
        each.name: each.default
        for each in variables.variables()
        if each.default is not None and each.name not in READ_ELSEWHERE
    }

    plain = read(**required)

    assert plain.is_production
    assert read(**(optional | required)) == plain


# Metrics.


def test_every_metric_is_explained_and_every_explained_one_exists(client):
    client.get("/healthz")
    told = client.get("/metrics").text
    exist = set(re.findall(r"^# TYPE (\w+) (?:gauge|histogram)$", told, re.MULTILINE))
    exist = {name for name in exist if not name.endswith("_created")}
    named = set(re.findall(r"\bgateway_[a-z_]+\b", PAGE)) - OTHERS
    named = {re.sub(r"(?<=_seconds)_(bucket|count|sum)$", "", name) for name in named}

    assert named == exist
    rows = re.findall(r"^\| ((?:`gateway_\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} == exist


def test_every_label_in_an_alert_is_one_of_the_metrics(client):
    client.get("/healthz")
    told = client.get("/metrics").text
    labels = {
        label
        for told_of in re.findall(r"\{(.*)\}", told)
        for label in re.findall(r"(\w+)=", told_of)
    }
    asked = {
        label
        for braces in re.findall(r"gateway_\w+\{([^}]*)\}", PAGE)
        for label in re.findall(r"(\w+)=", braces)
    } | set(re.findall(r"by \((\w+)\)", PAGE))

    assert asked
    assert asked <= labels | {"le"}


# The rest.


def test_every_check_of_readiness_is_explained(database):
    with transaction(actor="test:checks") as tx:
        checks = health._checks(tx)
    table = PAGE.partition("| check | not ok means")[2].partition("\n\n")[0]

    assert list(checks) == re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_every_command_exists():
    commands = re.findall(r"(?:`|exec web )gateway ([a-z]+)(?: ([a-z]+))?", PAGE)
    assert len(commands) > 8
    for command, more in commands:
        assert command in main_group.commands, command
        group = getattr(main_group.commands[command], "commands", None)
        assert group is None or more in group


def test_the_plain_processes_are_those_of_the_compose_file():
    for name, flags in (
        ("web", "--interface wsgi --workers 2 --blocking-threads 8"),
        ("worker-stripe", "-q -A workers.app worker -Q stripe -n stripe@%h -P threads -c 8"),
        ("beat", "-q -A workers.app beat -S redbeat.RedBeatScheduler --pidfile="),
        ("flower", "-q -A workers.app flower --port=5555"),
    ):
        assert flags in PAGE
        assert set(flags.split()) <= set(services()[name]["command"])


def test_the_arithmetic_of_connections_is_that_of_the_code():
    assert f"({POOL_SIZE} + {SPARE}, `gateway/kernel/db.py`)" in PAGE


def test_every_page_that_is_linked_exists():
    for page in ("README.md", "CONTRIBUTING.md", "docs/operations.md"):
        text = (ROOT / page).read_text()
        links = re.findall(r"\]\((?!http)([^)#]+)", text)
        assert all(((ROOT / page).parent / link).exists() for link in links)
    assert "(docs/operations.md)" in (ROOT / "README.md").read_text()
