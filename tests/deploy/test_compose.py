"""The compose file without a container engine: what it says, and what its commands do."""

import re

import pytest

from gateway.processor.client import CONNECT_TIMEOUT

from .compose import ROOT, VARIABLE, ours, program, read, services

PASSWORDS = {
    "POSTGRES_PASSWORD",
    "GATEWAY_OWNER_PASSWORD",
    "GATEWAY_APP_PASSWORD",
    "FLOWER_PASSWORD",
}
# Those of other programs: PostgreSQL's image, Flower.
THEIRS = {"POSTGRES_PASSWORD", "FLOWER_BASIC_AUTH"}
OWNERS = {"POSTGRES_PASSWORD", "GATEWAY_OWNER_PASSWORD", "GATEWAY_MIGRATION_URL"}
# Stripe is asked twice; connecting has a deadline, and so has the answer (its default).
LONGEST_TASK = 2 * (CONNECT_TIMEOUT + 15)


def example():
    text = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE))


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def test_every_variable_is_one_that_is_explained():
    asked = {found[0] for found in VARIABLE.findall((ROOT / "docker-compose.yml").read_text())}
    explained = (ROOT / ".env.example").read_text()

    assert asked <= example() | PASSWORDS
    assert all(password in explained for password in PASSWORDS)


@pytest.mark.parametrize("name", services())
def test_every_environment_name_is_read_by_somebody(name):
    assert set(services()[name].get("environment", {})) <= example() | PASSWORDS | THEIRS


@pytest.mark.parametrize("name", ours())
def test_every_setting_can_be_made_in_env(name):
    apart = {"GATEWAY_MIGRATION_URL", "GATEWAY_PROCESS", "PROMETHEUS_MULTIPROC_DIR"}

    assert set(ours()[name]["environment"]) >= example() - apart


@pytest.mark.parametrize("name", sorted(set(services()) - {"postgres", "migrate"}))
def test_the_owners_password_stays_with_the_database_and_its_migration(name):
    service = services()[name]

    assert "env_file" not in service
    assert not set(service.get("environment", {})) & OWNERS
    assert "OWNER" not in str(service)


@pytest.mark.parametrize("name", ours())
def test_ours_may_do_little(name):
    service = ours()[name]

    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(place.startswith("/tmp:") for place in service["tmpfs"])
    assert "privileged" not in service
    assert "user" not in service  # the image's


@pytest.mark.parametrize("name", services())
def test_every_service_has_bounds(name):
    service = services()[name]

    assert set(service["deploy"]["resources"]["limits"]) >= {"cpus", "memory"}
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:"), "what the world may reach, the proxy in front decides"


@pytest.mark.parametrize("name", sorted(set(services()) - {"migrate"}))
def test_everything_that_stays_has_a_healthcheck_and_comes_back(name):
    assert services()[name]["healthcheck"]["test"]
    assert services()[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", ours())
def test_everybody_gets_time_to_stop(name):
    grace = seconds(ours()[name]["stop_grace_period"])

    assert grace >= 30
    if name.startswith("worker"):
        assert grace >= LONGEST_TASK


def test_migrations_come_first_and_once():
    assert services()["migrate"]["restart"] == "no"
    for name in set(ours()) - {"migrate"}:
        assert ours()[name]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }
        assert ours()[name]["depends_on"]["redis"] == {"condition": "service_healthy"}


def test_there_is_a_worker_for_every_queue():
    from workers.app import QUEUES

    assert {name for name in services() if name.startswith("worker")} == {
        f"worker-{queue}" for queue in QUEUES
    }


def test_redis_keeps_what_it_is_given():
    command = " ".join(services()["redis"]["command"])

    assert "--appendonly yes --appendfsync everysec" in command
    assert "--maxmemory-policy noeviction" in command


def test_the_sandbox_comes_only_when_asked_for():
    profiles = {name: it["profiles"] for name, it in services().items() if "profiles" in it}

    assert profiles == {"sandbox": ["sandbox"]}


def test_every_volume_is_declared_and_used():
    used = {
        volume.partition(":")[0]
        for service in services().values()
        for volume in service.get("volumes", ())
        if not volume.startswith(".")
    }

    assert used == set(read()["volumes"])


@pytest.mark.parametrize("name", ours())
def test_every_program_exists(name):
    service = ours()[name]
    _, *check = service.get("healthcheck", {}).get("test", ["CMD", "python"])

    assert program(service["command"][0])
    assert program(check[0])


# The image.


def dockerfile():
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def test_the_image_runs_as_somebody_ordinary():
    users = [argument for word, argument in dockerfile() if word == "USER"]
    made = " ".join(argument for word, argument in dockerfile() if word == "RUN")

    assert users == ["gateway"]
    assert "useradd --system --uid 10001" in made
    assert dockerfile()[-1][0] == "CMD"
    assert dockerfile()[-2][0] == "USER"


def test_the_image_installs_what_is_locked():
    installs = [argument for word, argument in dockerfile() if "pip install" in argument]
    locked = (ROOT / "requirements/runtime.txt").read_text()

    assert "--require-hashes -r requirements/runtime.txt" in installs[0]
    assert all("--no-deps" in more for more in installs[1:])
    names = re.findall(r"^[a-z0-9].*==", locked, re.MULTILINE)
    assert names
    assert len(names) == len(re.findall(r"==\S+.*\\\n\s+--hash=sha256:", locked))


def test_what_is_copied_exists_and_what_is_secret_is_not():
    ignored = (ROOT / ".dockerignore").read_text().split()

    assert {".git", ".env", ".venv", "var", "tests"} <= set(ignored)
    for word, argument in dockerfile():
        if word == "COPY":
            assert (ROOT / argument.split()[0]).exists()
