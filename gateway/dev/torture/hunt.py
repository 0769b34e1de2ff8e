"""`./run torture --mutants`: is every planted bug caught? Each in a copy of the source, by itself.

A run that could not begin has caught nothing: the bug must show while the gateway works.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.dev.places import ROOT
from gateway.dev.torture.mutants import MUTANTS, Mutant
from gateway.dev.torture.report import say

# What the gateway is made of, and nothing that a run leaves behind.
SOURCES = (
    *("gateway", "workers", "deploy"),
    *("wsgi.py", "celerybeat_schedule.py", "flowerconfig.py"),
)
LONGEST_SECONDS = 400.0
NO_PROOF = frozenset({"start", "harness"})  # it never ran, or the harness erred


@dataclass(frozen=True)
class Caught:
    """What a run with the bug in it came to: the checks that saw it, and how often."""

    mutant: Mutant
    by_check: dict[str, int] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    seconds: float = 0.0
    seed: int = 0  # of the last try

    @property
    def is_caught(self) -> bool:
        return bool(self.by_check.keys() - NO_PROOF) and "start" not in self.by_check

    def as_dict(self) -> dict[str, Any]:
        mutant = self.mutant
        return {
            "name": mutant.name,
            "what": mutant.what,
            "caught": self.is_caught,
            "by_check": self.by_check,
            "messages": self.messages,
            "seconds": round(self.seconds, 1),
            "run": {"payments": mutant.payments, "faults": mutant.faults, "seed": self.seed},
        }


def hunt(options: argparse.Namespace) -> int:
    """The exit status: 0 if all are caught."""
    chosen = [each for each in MUTANTS if options.only in (None, each.name)]
    if not chosen:
        say(f"There is no mutant {options.only!r}. {_named(MUTANTS)}")
        return 2
    results = [one(each) for each in chosen]
    missed = [each.mutant for each in results if not each.is_caught]
    if options.json:
        said = [each.as_dict() for each in results]
        print(json.dumps({"mutants": said, "missed": [each.name for each in missed]}), flush=True)
    else:
        print(table(results), flush=True)
    return 1 if missed else 0


def one(mutant: Mutant) -> Caught:
    say(f"{mutant.name}: {mutant.what}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gateway-mutant-") as folder:
        root = copy_of(Path(folder))
        mutant.plant(root)
        for seed in range(mutant.seed, mutant.seed + mutant.tries):
            found = torture(root, mutant, seed)
            by_check, messages = found["by_check"], tuple(found.get("messages", ()))
            caught = Caught(mutant, by_check, messages, time.monotonic() - began, seed)
            if caught.is_caught:
                break
    say(f"{mutant.name}: {_verdict(caught)} after {caught.seconds:.0f} s")
    return caught


def copy_of(folder: Path) -> Path:
    """The source tree, in a folder that is somebody's own."""
    for name in SOURCES:
        source, place = ROOT / name, folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place)
    return folder


def torture(root: Path, mutant: Mutant, seed: int) -> dict[str, Any]:
    """What a run of the copy says of itself."""
    numbers = ("--payments", mutant.payments, "--faults", mutant.faults, "--seed", seed)
    chosen = [("--kinds", mutant.kinds), ("--stories", mutant.stories)]
    some = [word for option in chosen if option[1] for word in option]
    command = [sys.executable, "-m", "gateway.dev.torture", *map(str, numbers), *some, "--json"]
    place = {"PYTHONPATH": str(root), "GATEWAY_VAR": str(root / "var")}
    with subprocess.Popen(
        command, cwd=root, env=os.environ | place, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            out, _ = process.communicate(timeout=LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()  # its servers end with it
            return _nothing(f"no end within {LONGEST_SECONDS:g} s")
    lines = out.strip().splitlines()
    return dict(json.loads(lines[-1])) if lines else _nothing("the run broke off")


def _nothing(why: str) -> dict[str, Any]:
    return {"by_check": {"start": 1}, "messages": [why]}


def table(results: Iterable[Caught]) -> str:
    """For people: a line for each, and who got away."""
    results = list(results)
    wide = max(len(each.mutant.name) for each in results)
    lines = [
        f"  {each.mutant.name:{wide}}  {each.seconds:4.0f} s  {_verdict(each)}" for each in results
    ]
    missed = [each.mutant for each in results if not each.is_caught]
    caught = f"{len(results) - len(missed)} of {len(results)} planted bugs were caught"
    lines += [f"Not caught: {each.name}. {each.what}" for each in missed]
    seconds = sum(each.seconds for each in results)
    return "\n".join([*lines, f"{caught}, in {seconds:.0f} s."])


def _verdict(caught: Caught) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in sorted(caught.by_check.items()))
    if caught.is_caught:
        return f"caught by {counts}"
    return f"NOT CAUGHT ({counts or 'no violation'})"


def _named(mutants: Iterable[Mutant]) -> str:
    return "There are " + ", ".join(each.name for each in mutants) + "."
