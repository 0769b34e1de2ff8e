"""The embedded PostgreSQL and Redis: who may do what, and what a crash does to them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg2
import pytest
import redis
import sqlalchemy
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.dev import embedded, machine
from gateway.dev.embedded import Postgres, Redis, Servers
from gateway.dev.supervisor import Supervisor, as_user

Running = Callable[[str], list[int]]
Until = Callable[..., None]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has the problem")

SCRIPT = """
import time
from gateway.dev.embedded import temporary_servers

with temporary_servers() as (postgres, redis):
    print(postgres.data, postgres.sockets, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    """Under root this folder is one its server cannot reach: pytest's are 0700."""
    postgres = Postgres.at(tmp_path / "data" / "postgres", durable=False)
    postgres.prepare()
    yield postgres
    postgres.erase()


def answer(postgres: Postgres, statement: str, role: str = "postgres", database: str = "postgres"):
    with closing(psycopg2.connect(postgres.url(role, database))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone() if cursor.description else None


def server_pid(postgres: Postgres) -> int:
    with suppress(OSError, IndexError):
        return int((postgres.data / "postmaster.pid").read_text().split()[0])
    return 0


def test_the_application_role_owns_nothing_and_makes_nothing(servers: Servers) -> None:
    postgres = servers.postgres
    embedded.ensure_database(postgres, "roles")
    embedded.ensure_database(postgres, "roles")  # a second demo on the same data

    answer(postgres, "CREATE TABLE t (id int)", role="gateway_owner", database="roles")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        answer(postgres, "CREATE TABLE mine (id int)", role="gateway_app", database="roles")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        answer(postgres, "SELECT * FROM t", role="gateway_app", database="roles")
    for role in ("gateway_owner", "gateway_app"):
        rights = "rolsuper, rolcreatedb, rolcreaterole, rolcanlogin"
        query = f"SELECT {rights} FROM pg_roles WHERE rolname = '{role}'"
        assert answer(postgres, query) == (False, False, False, True)
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'roles'"
    assert answer(postgres, owner) == ("gateway_owner",)


def test_a_clone_has_what_its_template_has(servers: Servers) -> None:
    postgres = servers.postgres
    embedded.ensure_database(postgres, "template")
    answer(postgres, "CREATE TABLE t AS SELECT 7 AS n", role="gateway_owner", database="template")

    embedded.clone_database(postgres, "template", "clone")
    assert answer(postgres, "SELECT n FROM t", role="gateway_owner", database="clone") == (7,)

    with closing(psycopg2.connect(postgres.url("gateway_app", "clone"))):  # somebody is still there
        embedded.drop_database(postgres, "clone")
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        answer(postgres, "SELECT 1", database="clone")


def test_the_url_serves_sqlalchemy_and_no_surroundings_change_it(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGHOST", "nowhere")
    url = servers.postgres.url("postgres", "postgres").replace(
        "postgresql:", "postgresql+psycopg2:"
    )
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        query = sqlalchemy.text("SELECT current_setting('TimeZone'), current_setting('port')")
        assert tuple(connection.execute(query).one()) == ("UTC", "5432")
    engine.dispose()


def test_postgres_listens_on_a_private_socket_only(servers: Servers) -> None:
    postgres = servers.postgres
    assert answer(postgres, "SHOW listen_addresses") == ("",)
    assert postgres.sockets.stat().st_mode & 0o777 == 0o700
    assert len(os.fsencode(postgres.sockets / ".s.PGSQL.5432")) < 90


def test_redis_asks_for_its_password_and_evicts_nothing(servers: Servers) -> None:
    once = Retry(NoBackoff(), 0)
    with (
        redis.Redis(port=servers.redis.port, retry=once) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    with redis.Redis.from_url(servers.redis.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    conf = servers.redis.folder / "redis.conf"
    assert conf.stat().st_mode & 0o777 == 0o600
    assert servers.redis.password not in repr(servers.redis) + " ".join(servers.redis.command)


def test_both_survive_kill_9_with_their_data(
    postgres: Postgres, tmp_path: Path, until: Until
) -> None:
    server = Redis(tmp_path / 'a "quoted" folder', machine.free_port())
    server.prepare()
    processes = [postgres.process(), server.process()]
    with Supervisor(processes, tmp_path / "logs") as supervisor:
        supervisor.wait_ready(20)
        answer(postgres, "CREATE TABLE t AS SELECT 42 AS n")
        with redis.Redis.from_url(server.url) as client:
            client.set("n", 42)
            redis_pid = client.info("server")["process_id"]
        postgres_pid = server_pid(postgres)

        os.kill(postgres_pid, signal.SIGKILL)
        os.kill(redis_pid, signal.SIGKILL)

        until(lambda: server_pid(postgres) not in (0, postgres_pid) and postgres.ready())
        until(server.ready)
        assert answer(postgres, "SELECT n FROM t") == (42,)
        with redis.Redis.from_url(server.url) as client:
            assert client.get("n") == b"42"
    assert not postgres.ready()
    with pytest.raises(ConnectionRefusedError), socket.socket() as probe:
        probe.connect(("127.0.0.1", server.port))


def test_a_lock_whose_pid_now_belongs_to_another_is_no_obstacle(
    postgres: Postgres, tmp_path: Path
) -> None:
    with subprocess.Popen(["sleep", "60"], cwd="/", **as_user(postgres.user)) as impostor:
        lines = f"{impostor.pid}\n{postgres.data}\n1700000000\n5432\n{postgres.sockets}\n\n"
        for lock in (postgres.data / "postmaster.pid", postgres.sockets / ".s.PGSQL.5432.lock"):
            lock.write_text(lines)
            shutil.chown(lock, postgres.user or os.geteuid())
        with Supervisor([postgres.process()], tmp_path / "logs") as supervisor:
            supervisor.wait_ready(20)
            postgres.forget_impostor()  # the lock of the living server stays
            assert server_pid(postgres)
        impostor.kill()


def test_data_of_another_version_is_refused_with_advice(postgres: Postgres) -> None:
    (postgres.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(machine.Unusable, match=r"made by PostgreSQL 9.*\./run reset"):
        postgres.prepare()


def test_an_interrupted_initdb_is_begun_again(postgres: Postgres) -> None:
    half = postgres.data.with_name(f"{postgres.data.name}.new")
    postgres.data.rename(half)
    (half / "global" / "pg_control").unlink()

    postgres.prepare()

    assert (postgres.data / "global" / "pg_control").exists()
    assert not half.exists()


def test_a_killed_test_run_leaves_no_server_and_no_folder(
    script_environment: dict[str, str], running: Running, until: Until
) -> None:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, env=script_environment, stdout=subprocess.PIPE, text=True
    ) as script:
        assert script.stdout
        data, sockets = script.stdout.readline().split()
        assert running(data)
        script.kill()
    until(lambda: not running(str(Path(data).parent)), 6)
    until(lambda: not Path(data).parent.exists() and not Path(sockets).exists())


@as_root
def test_root_may_start_it_from_a_folder_nobody_else_can_enter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The clone, and in it the programs, are in a folder like /root."""
    clone = tmp_path / "clone"
    for name in (machine.WHEEL, f"{machine.WHEEL}.libs"):
        (clone / name).parent.mkdir(mode=0o700, exist_ok=True)
        (clone / name).symlink_to(machine._wheel_folder(machine.WHEEL).parent / name)
    monkeypatch.setattr(machine, "_wheel_folder", lambda package: clone / package)
    with tempfile.TemporaryDirectory() as shared:
        Path(shared).chmod(0o755)
        monkeypatch.setattr(machine, "SHARED", Path(shared))

        postgres = Postgres.at(clone / "var" / "postgres", durable=False)
        postgres.prepare()
        with Supervisor([postgres.process()], tmp_path / "logs") as supervisor:
            supervisor.wait_ready(20)
            assert answer(postgres, "SELECT 1") == (1,)

        assert {p.name.rsplit("-", 1)[0] for p in Path(shared).iterdir()} == {
            "gateway-data",
            "gateway-postgres",
        }
        assert str(postgres.data) in (clone / "var" / "postgres.moved.txt").read_text()
        again = Postgres.at(clone / "var" / "postgres", durable=False)
        assert again == postgres
        postgres.erase()


@as_root
def test_a_folder_that_somebody_else_made_is_not_trusted(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with pytest.raises(machine.Unusable, match="another user"):
        machine.private_folder(theirs, "nobody")
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(machine.Unusable, match="another user"):
        machine.private_folder(link, "nobody")


def test_without_any_server_one_sentence_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "_postgres_folders", lambda: iter([Path("/nonexistent")]))
    monkeypatch.setattr(machine, "_wheel_folder", lambda _package: Path("/nonexistent"))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(machine.Unusable, match="install your system's postgresql"):
        machine.postgres_binaries()
    with pytest.raises(machine.Unusable, match="install redis-server"):
        machine.redis_program()


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port: int = taken.getsockname()[1]
        assert machine.free_port(port) != port
    assert machine.free_port(port) == port
