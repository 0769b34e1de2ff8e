"""What the tests of the ground we start on share: real servers, and a look at who is running."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.dev.embedded import Servers, temporary_servers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with temporary_servers() as both:
        yield both


@pytest.fixture
def running() -> Callable[[str], list[int]]:
    """The pids of those whose command line has the text in it; the dead have no command line."""
    return lambda text: [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and text in _command_line(folder)
    ]


def _command_line(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for something to become true."""

    def wait(what: Callable[[], object], seconds: float = 5.0) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.02)

    return wait


@pytest.fixture
def marker() -> str:
    """A number of seconds nobody else sleeps, by which `running` finds our sleepers."""
    return f"6{time.time_ns() % 10**9}.{os.getpid()}"


@pytest.fixture
def script_environment() -> dict[str, str]:
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
