"""The compose file as a test sees it, and its services as processes of this machine."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
VARIABLE = re.compile(r"\$\{(\w+)(?::\?|:-([^}]*))?\}")
STOP_SECONDS = 30


def read() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def services() -> dict[str, dict[str, Any]]:
    return dict(read()["services"])


def ours() -> dict[str, dict[str, Any]]:
    """Those that run our image."""
    return {name: it for name, it in services().items() if it["image"] == "payment-gateway"}


def filled(text: str, values: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda found: values.get(found[1]) or found[2] or "", text)


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{BIN}{os.pathsep}{os.defpath}")


class Service:
    """A service started here as Compose would, with other addresses and folders."""

    def __init__(
        self, name: str, *, env: Mapping[str, str], swaps: Mapping[str, str], logs: Path
    ) -> None:
        self.name, self.swaps = name, swaps
        self.declared = services()[name]
        self.popen: subprocess.Popen[bytes] | None = None
        self.out, self.err = logs / f"{name}.out", logs / f"{name}.err"
        given = self.declared.get("environment", {})
        values = {key: filled(value, env) for key, value in given.items() if value is not None}
        passed = {key: env[key] for key, value in given.items() if value is None and key in env}
        kept = {key: os.environ[key] for key in ("HOME", "LANG", "TZ") if key in os.environ}
        path = {"PATH": f"{BIN}{os.pathsep}{os.defpath}", "PYTHONUNBUFFERED": "1"}
        self.env = kept | path | passed | values
        for key in self.env.keys() & {"DATABASE_URL", "REDIS_URL", "GATEWAY_MIGRATION_URL"}:
            self.env[key] = env[key]
        if "PROMETHEUS_MULTIPROC_DIR" in self.env:
            self.env["PROMETHEUS_MULTIPROC_DIR"] = str(logs)

    def swapped(self, words: list[str]) -> list[str]:
        for old, new in self.swaps.items():
            words = [word.replace(old, new) for word in words]
        return words

    def start(self, *more: str) -> "Service":
        command = [*self.swapped(self.declared["command"]), *more]
        with self.out.open("w") as out, self.err.open("w") as err:
            self.popen = subprocess.Popen(
                command,
                env=self.env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                executable=program(command[0]),
            )
        return self

    def healthy(self, *more: str) -> bool:
        kind, *command = self.swapped(self.declared["healthcheck"]["test"])
        assert kind == "CMD"
        done = subprocess.run(
            [str(program(command[0])), *more, *command[1:]],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            timeout=30,
        )
        return done.returncode == 0

    def stop(self) -> tuple[int, float]:
        """TERM: its exit code, and the seconds it took."""
        assert self.popen
        began = time.monotonic()
        self.popen.terminate()
        return self.popen.wait(STOP_SECONDS), time.monotonic() - began

    def kill(self) -> None:
        if self.popen and self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait(5)

    def story(self) -> str:
        return self.out.read_text()[-2000:] + self.err.read_text()[-3000:]
