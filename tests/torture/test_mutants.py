"""Every planted bug can still be planted, and a run that misses one fails and names it."""

import argparse
import compileall
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.dev.torture import hunt as hunting
from gateway.dev.torture.hunt import Caught, copy_of, hunt, table
from gateway.dev.torture.mutants import MUTANTS, Edit, Mutant, Stale


@pytest.fixture(autouse=True)
def _only_what_is_edited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of all would take longer than the rest."""
    files = {edit.file for mutant in MUTANTS for edit in mutant.edits}
    assert all(Path(each).parts[0] in hunting.SOURCES for each in files)
    monkeypatch.setattr(hunting, "SOURCES", sorted(files))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_every_bug_can_be_planted_in_the_present_source(mutant: Mutant, tmp_path: Path) -> None:
    root = copy_of(tmp_path)
    mutant.plant(root)

    for edit in mutant.edits:
        assert (root / edit.file).read_text() != (hunting.ROOT / edit.file).read_text()
        if edit.file.endswith(".py"):
            assert compileall.compile_file(root / edit.file, quiet=1)


def test_a_bug_that_cannot_be_planted_is_loud(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("a = 1\na = 1\n")

    with pytest.raises(Stale, match="0 times"):
        Edit("some.py", "b = 1", "b = 2").apply(tmp_path)
    with pytest.raises(Stale, match="2 times"):
        Edit("some.py", "a = 1", "a = 2").apply(tmp_path)


def test_there_are_eight_and_each_says_what_it_is() -> None:
    assert len({each.name for each in MUTANTS}) == 8
    assert all(each.what.endswith(".") for each in MUTANTS)


def plays(monkeypatch: pytest.MonkeyPatch, **found: dict[str, int]) -> list[tuple[str, int]]:
    """Returns the name and seed of each run, as they are made. `found` is what they come to, by
    the mutant's name; the others are caught.
    """

    def play(root: Path, mutant: Mutant, seed: int) -> dict[str, Any]:
        tries.append((mutant.name, seed))
        assert "class Stateful" in (root / "gateway/kernel/stateful.py").read_text()
        return {"by_check": found.get(mutant.name.replace("-", "_"), {"quiet": 1})}

    tries: list[tuple[str, int]] = []
    monkeypatch.setattr(hunting, "torture", play)
    return tries


def options(**chosen: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"only": None, "json": True} | chosen)


def test_all_caught(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    plays(monkeypatch)

    assert hunt(options()) == 0

    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told["mutants"]] == [each.name for each in MUTANTS]
    assert all(each["caught"] for each in told["mutants"])
    assert told["missed"] == []


@pytest.mark.parametrize("came_to", [{}, {"harness": 1}, {"start": 1}])
def test_one_that_gets_away_fails_the_run(
    came_to: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run that never began, or whose story was told wrongly, has caught nothing."""
    plays(monkeypatch, no_sweep=came_to)

    assert hunt(options(json=False)) == 1

    told = capsys.readouterr().out
    assert "Not caught: no-sweep. The relay hints each row" in told
    assert "7 of 8 planted bugs were caught" in told


def test_one_that_needs_luck_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = plays(monkeypatch, no_fencing={})

    assert hunt(options(only="no-fencing")) == 1

    first = MUTANTS[-1].seed
    assert tries == [("no-fencing", seed) for seed in range(first, first + MUTANTS[-1].tries)]


def test_only_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    plays(monkeypatch)

    assert hunt(options(only="no-fencing")) == 0
    assert "1 of 1 planted bugs were caught" in table([Caught(MUTANTS[0], {"quiet": 2})])
    assert [each["name"] for each in json.loads(capsys.readouterr().out)["mutants"]] == [
        "no-fencing"
    ]
    assert hunt(options(only="nobody")) == 2
