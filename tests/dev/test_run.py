"""./run, short of a real installation: its verbs, its stamps, and what it repairs."""

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

RUN = Path(__file__).resolve().parents[2] / "run"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The file as a module, in a folder of its own."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("run_file", str(RUN))
    spec = importlib.util.spec_from_loader("run_file", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    place(module, tmp_path, monkeypatch)
    (tmp_path / "var").mkdir()
    return module


def place(run: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ROOT", root)
    monkeypatch.setattr(run, "VENV", root / ".venv")
    monkeypatch.setattr(run, "PYTHON", root / ".venv" / "bin" / "python")
    monkeypatch.setattr(run, "LOG", root / "var" / "install.log")


@pytest.fixture
def venv(run: ModuleType) -> Path:
    """Something that looks like one `./run` has made."""
    python: Path = run.PYTHON
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    run.stamp("venv", [])
    return python.parents[1]


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As under `env -i PATH=... ./run`, from somewhere else."""
    surroundings = {"PATH": os.environ["PATH"], **environment}
    command = [sys.executable, str(RUN), *arguments]
    return subprocess.run(command, env=surroundings, cwd="/", capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"]])
def test_help_names_every_verb_on_a_line(run: ModuleType, arguments: list[str]) -> None:
    shown = call(*arguments)
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()[2:]
    assert [line.split()[0] for line in lines] == list(run.VERBS)


def test_an_unknown_verb_is_refused_and_the_known_are_named() -> None:
    refused = call("dmeo")
    assert refused.returncode == 2
    assert "'dmeo'" in refused.stderr
    assert "demo" in refused.stderr


def test_a_verb_that_is_not_written_yet_says_so_before_installing(
    run: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["bench"]) == 2
    assert "does not exist yet" in capsys.readouterr().err


def test_a_set_is_stale_until_stamped_and_again_when_it_changes(
    run: ModuleType, venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "runtime.txt"
    locked.write_text("flask==3.1.3\n")
    assert run.stale("runtime", [locked])

    run.stamp("runtime", [locked])
    assert not run.stale("runtime", [locked])
    assert run.stale("dev", [locked])

    locked.write_text("flask==3.1.4\n")
    assert run.stale("runtime", [locked])

    run.stamp("runtime", [locked])
    monkeypatch.setattr(run, "ROOT", tmp_path / "moved")
    assert run.stale("runtime", [locked])


def test_install_runs_pip_for_what_is_stale_only(
    run: ModuleType, venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements").mkdir()
    for name in (
        "requirements/runtime.txt",
        "requirements/demo.txt",
        "setup.cfg",
        "pyproject.toml",
    ):
        (tmp_path / name).write_text("x==1\n")
    calls: list[str] = []
    monkeypatch.setattr(run, "pip", lambda *arguments: calls.append(arguments[-1]))

    run.install(["runtime", "demo"])
    run.install(["runtime", "demo"])
    locked = tmp_path / "requirements"
    assert calls == [str(locked / "runtime.txt"), str(locked / "demo.txt"), str(tmp_path)]

    (locked / "demo.txt").write_text("x==2\n")
    run.install(["runtime", "demo"])
    assert calls[3:] == [str(locked / "demo.txt")]


@pytest.mark.parametrize(
    ("damage", "made_anew"),
    [
        (lambda _venv: None, False),
        (lambda venv: (venv / ".stamp-venv").unlink(), True),  # half made
        (lambda venv: (venv / ".installing").touch(), True),  # pip was killed
        (lambda venv: (venv / ".stamp-venv").write_text("another place"), True),  # moved
        (lambda venv: (venv / "bin" / "python").unlink(), True),  # its Python was removed
    ],
)
def test_a_venv_that_cannot_be_trusted_is_made_anew(
    run: ModuleType, venv: Path, monkeypatch: pytest.MonkeyPatch, damage: object, made_anew: bool
) -> None:
    assert callable(damage)
    damage(venv)
    made: list[list[str]] = []

    def make(command: list[str], _what: str) -> None:
        made.append(command)
        assert not venv.exists()
        venv.mkdir()

    monkeypatch.setattr(run, "run_logged", make)
    run.make_venv()

    assert len(made) == made_anew
    assert (venv / ".stamp-venv").exists()


def test_a_pip_that_gives_up_shows_its_end_and_leaves_no_mark(
    run: ModuleType, venv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.PYTHON.unlink()
    run.PYTHON.write_text("#!/bin/sh\necho no route to host; exit 1\n")
    run.PYTHON.chmod(0o755)
    with pytest.raises(SystemExit, match="Check the network"):
        run.pip("install")
    assert "no route to host" in capsys.readouterr().err
    assert not (venv / ".installing").exists()


def test_a_pip_that_was_killed_leaves_its_mark(run: ModuleType, venv: Path) -> None:
    run.PYTHON.unlink()
    run.PYTHON.write_text("#!/bin/sh\nkill -9 $$\n")
    run.PYTHON.chmod(0o755)
    with pytest.raises(SystemExit):
        run.pip("install")
    assert (venv / ".installing").exists()


def test_two_installations_take_turns(
    run: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[str] = []

    def second() -> None:
        with run.lock(tmp_path / "lock"):
            order.append("second")

    with run.lock(tmp_path / "lock"):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.2)
        order.append("first")
    other.join(5)

    assert order == ["first", "second"]
    assert "Another ./run is installing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        ([], ["-n", "3"]),
        (["-q", "tests/dev", "--no-header"], ["-n", "3"]),
        (["-n", "0"], []),
        (["-n4"], []),
        (["--numprocesses=4"], []),
        (["-p", "no:xdist"], []),
        (["--pdb"], []),
    ],
)
def test_tests_run_on_three_processes_unless_the_arguments_choose(
    run: ModuleType, arguments: list[str], added: list[str]
) -> None:
    assert run.parallel(arguments) == added


def test_lint_runs_every_check_and_fails_if_one_does(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def check(command: list[str]) -> int:
        seen.append(command[0])
        return int(command[0] == "mypy")

    monkeypatch.setattr(run, "check", check)
    assert run.start("lint", []) == 1
    assert seen == ["ruff", "ruff", "mypy", "lint-imports"]


def test_an_old_python_without_a_newer_one_is_told_what_to_install(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.shutil, "which", lambda _name: None)
    monkeypatch.setattr(run.sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"3\.11 or newer, and this is 3\.9"):
        run.require_python([])


def test_the_surroundings_do_not_leak_into_what_runs(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    monkeypatch.setenv("PIP_TARGET", "/somewhere/else")
    monkeypatch.setenv("PIP_USER", "1")
    for name in ("PATH", "VIRTUAL_ENV", "PYTHONNOUSERSITE", "PIP_DISABLE_PIP_VERSION_CHECK"):
        monkeypatch.setenv(name, "")  # so that what follows is undone

    run.clean_environment()

    assert "PYTHONPATH" not in os.environ
    assert "PIP_TARGET" not in os.environ
    assert os.environ["PIP_USER"] == "0"
    assert os.environ["PYTHONNOUSERSITE"] == "1"
