"""PostgreSQL and Redis without installing a server, for the demo and the tests.

Finds the programs and gives them a place; running them is the supervisor's work. Nothing here may
listen beyond this machine: PostgreSQL has a socket in a private folder, Redis a password.
"""

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import psycopg2  # type: ignore[import-untyped]
import redis
from psycopg2 import sql
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.dev.machine import (
    Unusable,
    data_folder,
    fleeting_place,
    free_port,
    major,
    plain_environment,
    postgres_binaries,
    private_folder,
    reachable_binaries,
    redis_program,
    socket_folder,
)
from gateway.dev.supervisor import Process, Supervisor, as_user

OWNER, APP = "gateway_owner", "gateway_app"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# A power cut may ruin it, a killed server loses nothing: what was written is in the kernel's hands.
CARELESS = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Postgres:
    """A cluster in a folder, reached through a unix socket; whoever can open it is trusted."""

    data: Path
    binaries: Path
    sockets: Path
    user: str | None
    durable: bool

    @classmethod
    def at(cls, data: Path, *, durable: bool = True) -> Self:
        """Find programs and folders that the server can reach; it refuses to run as root."""
        data = data.resolve()
        user = "nobody" if os.geteuid() == 0 else None
        key = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        return cls(
            data=data_folder(data, user, key),
            binaries=reachable_binaries(postgres_binaries(), user),
            sockets=socket_folder(user, key),
            user=user,
            durable=durable,
        )

    @property
    def command(self) -> list[str]:
        settings = SETTINGS if self.durable else SETTINGS | CARELESS
        options = [f"--{name}={value}" for name, value in settings.items()]
        program, port = str(self.binaries / "postgres"), "5432"
        return [program, "-D", str(self.data), "-k", str(self.sockets), "-p", port, *options]

    def process(self, name: str = "postgres") -> Process:
        return Process(
            name=name,
            command=self.command,
            env=plain_environment(),
            cwd=self.data,
            user=self.user,
            before=self.forget_impostor,
            ready=self.ready,
            stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown; TERM waits for clients
        )

    def prepare(self) -> None:
        """Make the cluster, once. It appears whole or not at all."""
        if not (self.data / "PG_VERSION").exists():
            self._create()
        made_by = int((self.data / "PG_VERSION").read_text())
        if made_by != major(self.binaries):
            found = f"{self.data} was made by PostgreSQL {made_by}, this is {major(self.binaries)}"
            raise Unusable(f"{found}: install that version, or start anew with ./run reset.")

    def _create(self) -> None:
        new = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        private_folder(new, self.user)
        # Collation by code point on every machine; C.UTF-8 is not everywhere outside Linux.
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        options = ["-U", "postgres", "-E", "UTF8", f"--locale={locale}", "--auth=trust"]
        done = subprocess.run(
            [self.binaries / "initdb", "-D", new, *options, "--no-sync"],
            env=plain_environment(),
            cwd=new,
            text=True,
            capture_output=True,
            **as_user(self.user),
        )
        if done.returncode:
            raise Unusable(f"PostgreSQL's initdb failed: {done.stderr.strip()}")
        new.rename(self.data)

    def forget_impostor(self) -> None:
        """Remove locks of a dead server whose pid, after a reboot say, is now someone else's.

        PostgreSQL would take that process for a running server and never start. A lock whose pid is
        nobody's is left to it: it also checks that no backend of the dead server lives on.
        """
        for lock in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            with suppress(OSError, ValueError):  # no lock, no such process, or no /proc
                pid = int(lock.read_text().splitlines()[0])
                if os.fsencode(self.data) not in Path(f"/proc/{pid}/cmdline").read_bytes():
                    lock.unlink()

    def url(self, role: str, database: str) -> str:
        """The port is named because PGPORT would otherwise choose another socket."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets), safe='')}&port=5432"

    def ready(self) -> bool:
        try:
            psycopg2.connect(self.url("postgres", "postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def erase(self) -> None:
        """Remove everything this cluster has put anywhere. It must not be running."""
        for folder in (self.data, self.data.with_name(f"{self.data.name}.new"), self.sockets):
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Redis:
    """A Redis on a loopback port whose password is new in every run."""

    folder: Path
    port: int
    durable: bool = True
    password: str = field(default_factory=secrets.token_urlsafe, repr=False)

    @property
    def command(self) -> list[str]:
        return [str(redis_program()), str(self.folder / "redis.conf")]

    def process(self, name: str = "redis") -> Process:
        return Process(name=name, command=self.command, cwd=self.folder, ready=self.ready)

    def prepare(self) -> None:
        """Write the configuration; a password on the command line would show in `ps`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        quoted = str(self.folder.resolve()).replace("\\", "\\\\").replace('"', '\\"')
        path = self.folder / "redis.conf"
        path.touch(mode=0o600)
        path.write_text(
            f'bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\ndir "{quoted}"\n'
            f'appendonly yes\nappendfsync {"everysec" if self.durable else "no"}\nsave ""\n'
            "maxmemory-policy noeviction\n"
        )

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def ready(self) -> bool:
        """Asked with the password, so another server on the port does not count."""
        # redis-py would try again for seconds, and the supervisor wait with it.
        once = Retry(NoBackoff(), 0)
        with closing(redis.Redis.from_url(self.url, socket_timeout=1, retry=once)) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


class Servers(NamedTuple):
    postgres: Postgres
    redis: Redis


@contextmanager
def temporary_servers() -> Iterator[Servers]:
    """Both servers, empty and careless about power cuts; gone at the end, even if we are killed."""
    home = Path(tempfile.mkdtemp(prefix="gateway-servers-", dir=fleeting_place()))
    home.chmod(0o711)  # PostgreSQL may run as another user
    postgres = Postgres.at(home / "postgres", durable=False)
    server = Redis(home / "redis", free_port(), durable=False)
    scratch = [home, postgres.data, postgres.sockets]
    with Supervisor([], home / "logs", scratch=scratch) as supervisor:
        postgres.prepare()
        server.prepare()
        supervisor.add(postgres.process(), server.process())
        supervisor.wait_ready(30)
        yield Servers(postgres, server)


@contextmanager
def superuser(postgres: Postgres, database: str = "postgres") -> Iterator[Any]:
    """A cursor that may do anything, each statement by itself."""
    with closing(psycopg2.connect(postgres.url("postgres", database))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def ensure_database(postgres: Postgres, name: str, *, owner: str = OWNER, app: str = APP) -> None:
    """Make the two roles and the database as production has them: the application owns nothing."""
    with superuser(postgres) as cursor:
        for role in (owner, app):
            if not _exists(cursor, "pg_roles", "rolname", role):
                _execute(cursor, "CREATE ROLE {}", role)
            _execute(cursor, "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE", role)
        if not _exists(cursor, "pg_database", "datname", name):
            _execute(cursor, "CREATE DATABASE {} OWNER {}", name, owner)
        _execute(cursor, "ALTER DATABASE {} OWNER TO {}", name, owner)
        _execute(cursor, "GRANT CONNECT ON DATABASE {} TO {}", name, app)
    with superuser(postgres, name) as cursor:
        _execute(cursor, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        _execute(cursor, "GRANT USAGE, CREATE ON SCHEMA public TO {}", owner)


def clone_database(postgres: Postgres, template: str, name: str, *, owner: str = OWNER) -> None:
    """Copy `template`, to which nobody may be connected: some 15 ms, by copying its files."""
    create = "CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY"
    with superuser(postgres) as cursor:
        _execute(cursor, create, name, template, owner)


def drop_database(postgres: Postgres, name: str) -> None:
    with superuser(postgres) as cursor:
        _execute(cursor, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(cursor: Any, statement: str, *names: str) -> None:
    cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _exists(cursor: Any, table: str, column: str, value: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s")
    cursor.execute(query.format(sql.Identifier(table), sql.Identifier(column)), [value])
    return cursor.fetchone() is not None
