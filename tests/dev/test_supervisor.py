"""The supervisor with real processes: order, restarts, and that nothing is ever left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.dev import supervisor as module
from gateway.dev.supervisor import Process, Supervisor

Running = Callable[[str], list[int]]
Until = Callable[..., None]

SCRIPT = """
import sys
from pathlib import Path
from gateway.dev.supervisor import Process, Supervisor

marker, folder, *command = sys.argv[1:]
family = Process(name="family", command=["sh", "-c", command[0]], stop_seconds=30)
scratch = Path(folder, "scratch")
scratch.mkdir()
with Supervisor([family], Path(folder, "logs"), scratch=[scratch]) as supervisor:
    supervisor.wait_ready(10)
    try:
        print("up", flush=True)
        supervisor.run_forever()
    except KeyboardInterrupt:  # between the two lines above
        pass
print("stopped", flush=True)
"""


def family(marker: str, name: str = "family") -> Process:
    """A leader that waits for a child of its own, as Celery and granian do."""
    return Process(name=name, command=["sh", "-c", f"sleep {marker} & wait"])


def supervised_script(
    marker: str, folder: Path, environment: dict[str, str], command: str
) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", SCRIPT, marker, str(folder), command]
    script = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)
    assert script.stdout
    assert script.stdout.readline() == "up\n"
    return script


def test_a_process_starts_when_those_it_follows_are_ready(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    flag = tmp_path / "flag"
    first = Process(
        name="first",
        command=["sh", "-c", f"sleep 0.3; touch '{flag}'; sleep 60"],
        ready=flag.exists,
    )
    check = ["sh", "-c", f"test -e '{flag}' && sleep 60"]
    second = Process(name="second", command=check, after=("first",))

    with Supervisor([first, second], tmp_path, on_event=lambda *e: told.append(e)) as supervisor:
        supervisor.wait_ready(5)

    assert told == [("first", "is ready"), ("second", "is ready")]


def test_what_dies_is_restarted_and_its_children_die_with_it(
    tmp_path: Path, marker: str, running: Running, until: Until
) -> None:
    told: list[str] = []
    with Supervisor([family(marker)], tmp_path, on_event=lambda *e: told.append(": ".join(e))):
        until(lambda: len(running(marker)) == 2)
        before = running(marker)
        leader = min(before)

        os.kill(leader, signal.SIGKILL)

        until(lambda: len(running(marker)) == 2 and not set(before) & set(running(marker)), 2)
        assert "family: died (exit -9), restarting" in told
    assert running(marker) == []


def test_the_log_has_a_line_for_each_start(tmp_path: Path, until: Until) -> None:
    log = tmp_path / "short.log"
    log.write_bytes(b"x" * (module.LOG_LIMIT + 1))

    with Supervisor([Process(name="short", command=["echo", "hello"])], tmp_path):
        until(lambda: log.stat().st_size < 1000 and log.read_text().count("starting short") == 2)

    assert log.read_text().splitlines()[1] == "hello"


def test_a_process_that_is_never_ready_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo no such table; exit 3"]
    broken = Process(name="broken", command=command, ready=lambda: False)
    with (
        Supervisor([broken], tmp_path) as supervisor,
        pytest.raises(TimeoutError, match=r"(?s)0\.5 s: broken exited with 3.*no such table"),
    ):
        supervisor.wait_ready(0.5)


def test_a_program_that_is_missing_is_told_and_tried_again(tmp_path: Path, until: Until) -> None:
    told: list[str] = []
    process = Process(name="missing", command=["/nonexistent/program"])
    with Supervisor([process], tmp_path, on_event=lambda _name, text: told.append(text)):
        until(lambda: len(told) == 2)
    assert "No such file" in told[0]


def test_a_readiness_check_that_breaks_does_not_end_the_watching(
    tmp_path: Path, until: Until
) -> None:
    def broken() -> bool:
        raise ZeroDivisionError

    told: list[str] = []
    processes = [
        Process(name="odd", command=["sleep", "60"], ready=broken),
        Process(name="fine", command=["sleep", "60"]),
    ]
    with Supervisor(processes, tmp_path, on_event=lambda *e: told.append(" ".join(e))):
        until(lambda: any("ZeroDivisionError" in text for text in told))


def test_delays_double_up_to_two_seconds_and_start_again_after_a_calm(tmp_path: Path) -> None:
    child = module._Child(Process(name="x", command=["true"]), tmp_path / "x.log")
    delays = []
    for _ in range(6):
        child.started_at = time.monotonic()
        child.died("exit 1", lambda _name, _text: None)
        delays.append(child.delay)
    child.started_at = time.monotonic() - 6
    child.died("exit 1", lambda _name, _text: None)

    assert delays == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert child.delay == 0.2


def test_a_name_that_nobody_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="web"):
        Supervisor([Process(name="web", command=["true"], after=("postgres",))], tmp_path)


def test_those_that_need_others_are_stopped_first(tmp_path: Path, until: Until) -> None:
    order = tmp_path / "order"

    def process(name: str, *after: str) -> Process:
        trap = f"trap 'echo {name} >> \"{order}\"; exit 0' TERM; echo up; sleep 60 & wait"
        log = tmp_path / f"{name}.log"
        return Process(
            name=name,
            command=["sh", "-c", trap],
            after=after,
            ready=lambda: "up" in log.read_text(),
        )

    processes = [process("base"), process("middle", "base"), process("top", "middle")]
    with Supervisor(processes, tmp_path) as supervisor:
        supervisor.wait_ready(5)

    assert order.read_text().split() == ["top", "middle", "base"]


def test_whoever_ignores_the_request_to_stop_is_killed(
    tmp_path: Path, marker: str, running: Running, until: Until
) -> None:
    deaf = f"trap '' TERM; sleep {marker} & wait; sleep {marker}"
    process = Process(name="deaf", command=["sh", "-c", deaf], stop_seconds=0.3)
    with Supervisor([process], tmp_path):
        until(lambda: len(running(marker)) == 2)
    assert running(marker) == []


def test_a_process_added_later_is_supervised_too(tmp_path: Path, marker: str) -> None:
    with Supervisor([], tmp_path) as supervisor:
        supervisor.add(family(marker, "late"))
        supervisor.wait_ready(5, ["late"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_gently(
    number: int,
    tmp_path: Path,
    marker: str,
    script_environment: dict[str, str],
    running: Running,
) -> None:
    command = f"sleep {marker} & wait"
    with supervised_script(marker, tmp_path, script_environment, command) as script:
        script.send_signal(number)
        assert script.communicate(timeout=10)[0] == "stopped\n"
    assert script.returncode == 0
    assert running(marker) == []
    assert not (tmp_path / "scratch").exists()


def test_a_second_interrupt_kills_at_once(
    tmp_path: Path, marker: str, script_environment: dict[str, str], running: Running
) -> None:
    deaf = f"trap '' TERM; sleep {marker} & wait; sleep {marker}"
    with supervised_script(marker, tmp_path, script_environment, deaf) as script:
        started = time.monotonic()
        script.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert script.poll() is None
        script.send_signal(signal.SIGINT)
        script.communicate(timeout=5)
    assert time.monotonic() - started < 5
    assert running(marker) == []


def test_killing_the_supervisor_leaves_nothing(
    tmp_path: Path,
    marker: str,
    script_environment: dict[str, str],
    running: Running,
    until: Until,
) -> None:
    command = f"sleep {marker} & wait"
    with supervised_script(marker, tmp_path, script_environment, command) as script:
        until(lambda: len(running(f"sleep\0{marker}")) == 1)
        script.kill()
    until(lambda: running(marker) == [], module.ORPHAN_SECONDS + 2)
    until(lambda: not (tmp_path / "scratch").exists())


def test_a_watchdog_that_was_killed_is_replaced(
    tmp_path: Path, marker: str, running: Running, until: Until
) -> None:
    with Supervisor([family(marker)], tmp_path) as supervisor:
        until(lambda: running(marker))
        first = supervisor._watchdog
        assert first
        first.kill()
        until(lambda: supervisor._watchdog not in (first, None) and supervisor._told)
        assert first.stdin
        first.stdin.close()
