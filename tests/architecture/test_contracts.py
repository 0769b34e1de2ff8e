"""What is said twice is said alike: doors, life cycles, catalogue, schema, documents."""

import ast
import re

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine, text

from gateway.app import create_app
from gateway.callbacks.catalogue import CATALOGUE
from gateway.dev import states
from gateway.kernel.db import Base, engine
from gateway.kernel.ids import PREFIXES
from gateway.kernel.stateful import Recorded, _reenterable
from gateway.migrations import VERSIONS, head

from .code import ROOT, called, calls, kinds, product, tree

MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
ONLY_IN_SQL = {"clock", "transitions", "alembic_version"}
READ_ELSEWHERE = {"GATEWAY_MIGRATION_URL", "GATEWAY_PROCESS", "PROMETHEUS_MULTIPROC_DIR"}


# Doors.


def doorless(app):
    """Mutating routes that did not come through `write` or `receive`."""
    return [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.methods & MUTATING
        and getattr(app.view_functions[rule.endpoint], "door", None) not in ("write", "receive")
    ]


def test_every_mutating_route_has_a_door():
    app = create_app()

    assert any(rule.methods & MUTATING for rule in app.url_map.iter_rules())
    assert doorless(app) == []


def test_a_route_without_a_door_is_seen():
    app = create_app()
    app.post("/api/v1/backdoor")(lambda: "open")

    assert doorless(app) == ["/api/v1/backdoor"]


def test_only_stripe_comes_in_without_a_key():
    app = create_app()
    received = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "door", None) == "receive"
    }

    assert received == {"/webhooks/stripe"}


# Life cycles.


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.KIND)
def test_every_status_can_be_reached_from_birth(kind):
    reached, todo = set(), [None]
    while todo:
        fresh = set(kind.TRANSITIONS.get(todo.pop(), ())) - reached
        reached |= fresh
        todo += fresh
    status_enum = type(kind.TRANSITIONS[None][0])

    assert reached == set(status_enum)
    assert set(kind.TRANSITIONS) - {None} <= reached
    assert len(kind.TRANSITIONS[None]) == 1


def test_kinds_and_prefixes_are_told_apart():
    names = [kind.KIND for kind in kinds()]
    prefixes = [kind.PREFIX for kind in kinds()]

    assert len(set(names)) == len(names)
    assert len(set(prefixes)) == len(prefixes)
    assert set(prefixes) <= set(PREFIXES)


def derived(kind):
    """What the moves of a recorded kind tell, by the rule of `Recorded`."""
    first = kind.TRANSITIONS[None][0]
    entered = {after for before, targets in kind.TRANSITIONS.items() if before for after in targets}
    types = {f"{kind.KIND}.created"} | {f"{kind.KIND}.{status}" for status in entered - {first}}
    return types | ({f"{kind.KIND}.updated"} if _reenterable(kind) else set())


def literal():
    """Types named by hand: `.record("...")` and `tells="..."`."""
    found = set()
    for path in product():
        for call in calls(path):
            told = [k.value for k in call.keywords if k.arg == "tells"]
            told += call.args[:1] if called(call) == "record" else []
            found |= {
                each.value
                for each in told
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            }
    return found


def test_the_catalogue_lists_what_can_be_told_and_nothing_else():
    recorded = [kind for kind in kinds() if issubclass(kind, Recorded)]
    told = set().union(*map(derived, recorded)) | literal()

    assert {"payment.attempt_declined", "endpoint.updated"} <= literal()
    assert set(CATALOGUE) == told


def test_every_entry_of_the_catalogue_is_a_sentence():
    assert all(meaning.endswith(".") for meaning in CATALOGUE.values())


# The document of states.


def test_the_meanings_cover_exactly_the_statuses():
    assert set(states.KINDS) == set(kinds())
    for kind in kinds():
        assert set(states.MEANINGS[kind.KIND]) == set(states.statuses(kind))
    assert set(states.MEANINGS) == {kind.KIND for kind in kinds()}


def test_the_document_of_states_is_what_the_code_says():
    written = (ROOT / "docs/states.md").read_text()

    assert written == states.page(), "run: python -m gateway.dev.states > docs/states.md"


def test_the_document_draws_every_arrow():
    for kind in kinds():
        drawn = states.diagram(kind)
        for before, targets in kind.TRANSITIONS.items():
            for after in targets:
                assert f"    {before or '[*]'} --> {after}\n" in drawn


# The schema.


@pytest.fixture
def owner(servers, database):
    """A connection that may make tables, to compare with those of the migrations."""
    name = database.rpartition("/")[2].partition("?")[0]
    url = servers.postgres.url("gateway_owner", name).replace("://", "+psycopg2://", 1)
    powerful = create_engine(url)
    with powerful.connect() as connection:
        yield connection
    powerful.dispose()


def test_the_migrated_schema_is_the_models(database):
    def ours(name, kind, _):
        return not (kind == "table" and name in ONLY_IN_SQL)

    with engine().connect() as connection:
        options = {"include_name": lambda name, kind, _: ours(name, kind, _), "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


SHAPES = {
    "columns": "SELECT concat_ws(' ', table_name, column_name, udt_name, is_nullable, is_identity,"
    " column_default) FROM information_schema.columns WHERE table_schema = 'public'",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": "SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'",
}


def shape(connection, what):
    """The lines that describe the tables of the models."""
    lines = set(connection.execute(text(SHAPES[what])).scalars())
    others = re.compile(rf"\b({'|'.join(ONLY_IN_SQL)})(_\w+)?\b")
    return {line for line in lines if not others.search(line)}


def test_partial_indexes_checks_and_defaults_are_the_models_too(owner):
    """Alembic does not look at these; so the models' own tables are built in place of ours."""
    migrated = {what: shape(owner, what) for what in SHAPES}
    for table in Base.metadata.sorted_tables:
        owner.execute(text(f"DROP TABLE {table.name} CASCADE"))
    Base.metadata.create_all(owner)
    built = {what: shape(owner, what) for what in SHAPES}
    owner.rollback()

    assert all(len(lines) > 10 for lines in built.values())
    assert migrated == built


def test_the_newest_migration_is_the_head():
    numbers = sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
    revisions = {
        node.value.value
        for path in VERSIONS.glob("[0-9]*.py")
        for node in tree(path).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "revision"
    }

    assert head() == numbers[-1]
    assert revisions == set(numbers)


def test_a_migrated_database_is_at_the_head(sql):
    assert sql("SELECT version_num FROM alembic_version") == head()


def test_every_check_has_a_name():
    checks = [
        check
        for table in Base.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    ]
    assert checks
    assert all(check.name for check in checks)


# The environment.


def test_the_example_environment_lists_exactly_what_is_read():
    example = ROOT / ".env.example"
    if not example.exists():
        pytest.skip(".env.example is not written yet")
    read = {
        call.args[0].value
        for call in calls(ROOT / "gateway/settings.py")
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    listed = re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", example.read_text(), re.MULTILINE)

    assert "DATABASE_URL" in read
    assert sorted(listed) == sorted(read | READ_ELSEWHERE)
