"""`./run torture`: a short run finds nothing, tells what it did, and leaves nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 400  # a fourth of that, with the machine to itself


def torture(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway.dev.torture", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)


@pytest.mark.journey
@pytest.mark.timeout(SECONDS + 20)
def test_a_hundred_payments_and_twenty_faults_break_no_promise() -> None:
    done = torture("--payments", "100", "--faults", "20", "--seed", "7", "--json")

    found = json.loads(done.stdout)
    assert (done.returncode, found["messages"]) == (0, [])
    assert (found["seed"], found["payments"], found["faults"]) == (7, 100, 20)
    assert found["violations"] == 0
    assert found["by_check"] == {}
    assert found["crash_points"] > 0
    assert sum(found["faults_by_kind"].values()) >= 18
    assert sum(found["payments_by_status"].values()) >= 100 - found["out_of_stock"]
    assert found["logs"] is None
    assert done.stderr.startswith("seed 7")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--payments", "-1"],
        ["--faults", "many"],
        ["--permutations", "--payments", "3"],
        ["--limit", "3"],
        ["--kinds", "sleep,earthquake"],
        ["--only", "no-sweep"],
        ["--mutants", "--seed", "3"],
        ["--mutants", "--only", "nobody"],
    ],
)
def test_wrong_usage_is_told_from_a_broken_promise(wrong: list[str]) -> None:
    assert torture(*wrong).returncode == 2
