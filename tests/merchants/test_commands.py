"""What operators type, in this process; and once as they type it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main_group, merchants, operations, processes  # noqa: F401 - they add commands
from gateway.kernel.errors import Forbidden, NotFound
from gateway.merchants.service import MerchantExists
from gateway.settings import settings


def typed(*words):
    return CliRunner().invoke(main_group, words)


def answered(*words):
    """What the command prints as JSON: one object, and nothing else."""
    result = typed(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def opens(client, made):
    headers = {"X-Api-Key": made["key"], "X-Api-Secret": made["secret"]}
    return client.get("/api/v1/merchant", headers=headers)


def test_a_merchant_is_made_with_a_key_that_opens(client):
    made = answered("merchants", "create", "Tea House")

    answer = opens(client, made)
    assert (answer.status_code, answer.json["id"]) == (200, made["merchant"])
    assert answer.json["name"] == "Tea House"


def test_what_was_made_is_listed(database):
    made = [answered("merchants", "create", name)["merchant"] for name in ("One", "Two")]

    listed = answered("merchants", "list")["data"]
    assert {(each["id"], each["name"]) for each in listed} == set(
        zip(made, ("One", "Two"), strict=True)
    )
    assert all(id in typed("merchants", "list").stdout for id in made)


def test_no_merchant_yet_says_what_to_type(database):
    assert "gateway merchants create NAME" in typed("merchants", "list").stdout
    assert answered("merchants", "list") == {"data": []}


def test_a_name_is_taken_once(database, sql):
    typed("merchants", "create", "One")

    again = typed("merchants", "create", "One")

    assert isinstance(again.exception, MerchantExists)
    assert sql("SELECT count(*) FROM merchants") == sql("SELECT count(*) FROM api_keys") == 1


def test_without_json_the_pair_is_shown_in_words(client):
    words = typed("merchants", "create", "Tea House").stdout.split()

    made = {name: words[words.index(name) + 1] for name in ("key", "secret")}
    assert opens(client, made).status_code == 200


@pytest.mark.parametrize("by", ["id", "name"])
def test_keys_are_made_by_the_merchants_id_or_name(client, by):
    merchant = answered("merchants", "create", "One")["merchant"]

    made = answered("keys", "create", merchant if by == "id" else "One", "--name", "server 1")

    assert opens(client, made).json["id"] == merchant
    assert made["key"].startswith("key_test_")


def test_a_live_key_is_asked_for(client):
    typed("merchants", "create", "One")

    made = answered("keys", "create", "One", "--live")

    assert made["key"].startswith("key_live_")
    assert made["secret"].startswith("secret_live_")


def test_keys_are_listed_without_their_secrets(database):
    first = answered("merchants", "create", "One")
    second = answered("keys", "create", "One", "--live", "--name", "server 1")

    listed = answered("keys", "list", "One")["data"]

    assert [(row["key"], row["mode"], row["name"]) for row in listed] == [
        (first["key"], "test", None),
        (second["key"], "live", "server 1"),
    ]
    for output in (json.dumps(listed), typed("keys", "list", "One").stdout):
        assert first["secret"] not in output
        assert second["secret"] not in output


def test_a_revoked_key_opens_nothing_and_says_so(client):
    made = answered("merchants", "create", "One")

    revoked = answered("keys", "revoke", made["key"])

    assert revoked["key"] == made["key"]
    assert opens(client, made).status_code == 401
    assert answered("keys", "list", "One")["data"][0]["revoked_at"] is not None
    assert "revoked" in typed("keys", "list", "One").stdout


@pytest.mark.parametrize(
    "words", [("keys", "create", "Nobody"), ("keys", "list", "Nobody"), ("keys", "revoke", "key_x")]
)
def test_who_is_not_there_is_said_so(database, words):
    result = typed(*words)

    assert isinstance(result.exception, NotFound)
    assert words[-1] in result.exception.detail


def test_the_seed_is_the_documented_pair_and_safe_to_repeat(client, sql):
    first = answered("seed", "--origin", "http://127.0.0.1:8001")

    assert answered("seed") == first
    assert (first["key"], first["secret"]) == ("key_test_abc123", "secret_test_xyz789")
    answer = opens(client, first)
    assert answer.json["name"] == "Demo Store"
    assert answer.json["allowed_origins"] == ["http://127.0.0.1:8001"]
    assert sql("SELECT count(*) FROM merchants") == sql("SELECT count(*) FROM api_keys") == 1


@pytest.fixture
def production(database, monkeypatch):
    monkeypatch.setenv("GATEWAY_ENV", "production")
    monkeypatch.setenv("GATEWAY_BASE_URL", "https://pay.example")
    monkeypatch.setenv("STRIPE_API_BASE", "https://api.stripe.com")
    monkeypatch.setenv("WEBHOOK_RETRY_INTERVALS_TEST", "false")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def test_production_is_never_seeded(production, sql):
    assert isinstance(typed("seed").exception, Forbidden)
    assert sql("SELECT count(*) FROM api_keys") == 0


def shell(database, *words):
    program = Path(sys.executable).with_name("gateway")
    env = os.environ | {"DATABASE_URL": database}
    return subprocess.run([program, *words], env=env, capture_output=True, text=True, timeout=60)


def test_an_error_is_one_sentence_and_status_1(database):
    failed = shell(database, "keys", "list", "Nobody")

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "There is no merchant 'Nobody'. See: gateway merchants list\n"


def test_the_program_prints_one_json_object(database):
    done = shell(database, "merchants", "create", "Shell", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "Shell"
