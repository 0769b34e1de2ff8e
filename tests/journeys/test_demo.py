"""`./run demo` as a newcomer starts it: one line, one payment, and nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from gateway.dev.machine import free_port
from gateway.dev.walk import wait_for

pytestmark = pytest.mark.journey

GIVEN = ("DATABASE_URL", "GATEWAY_", "STRIPE_", "REDIS_URL", "WEBHOOK_RETRY")


@pytest.fixture
def demo(tmp_path):
    """Start a demo in a folder of its own; whatever it leaves is killed afterwards."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(GIVEN)}
    started = []

    def start(*options):
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.dev.demo", "--port", str(free_port()), *options],
            env=env | {"GATEWAY_VAR": str(tmp_path / "var"), "MARK": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()
    subprocess.run(
        [sys.executable, "-m", "gateway.dev.reset"],
        env=env | {"GATEWAY_VAR": str(tmp_path / "var")},
        check=False,
        capture_output=True,
    )


def first_line(process):
    """What a demo that stays up prints; if it printed nothing, why."""
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return json.loads(line)


def leftovers(tmp_path):
    """Processes that carry this demo's mark in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                marked = f"MARK={tmp_path}".encode() in environ.read()
            with open(f"/proc/{pid}/stat") as stat:
                alive = stat.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            continue
        if marked and alive:
            found.append(pid)
    return found


def listeners():
    return subprocess.run(["ss", "-ltnp"], capture_output=True, text=True, check=False).stdout


def check_closed(facts):
    still = [name for name in ("gateway", "sandbox", "store", "flower") if not closed(facts[name])]
    assert still == [], (facts, listeners())


def closed(url):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) != 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_once_makes_a_payment_prints_one_line_and_leaves_nothing(demo, tmp_path):
    process = demo("--once", "--json")
    out, err = process.communicate(timeout=120)

    assert process.returncode == 0, err
    (line,) = out.splitlines()
    facts = json.loads(line)
    assert (facts["status"], facts["callback_verified"]) == ("succeeded", True)
    assert set(facts) == {
        "gateway",
        "sandbox",
        "store",
        "flower",
        "payment_id",
        "status",
        "callback_verified",
        "seconds",
    }
    assert leftovers(tmp_path) == []
    check_closed(facts)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_demo_leaves_nothing_and_ctrl_c_ends_the_next_and_only_one_may_run(demo, tmp_path):
    killed = demo("--json")
    first_line(killed)
    killed.kill()
    killed.communicate(timeout=10)
    wait_for("the end of what was killed", lambda: leftovers(tmp_path) == [], seconds=15)

    process = demo("--json")
    facts = first_line(process)
    env_file = tmp_path / "var" / "demo.env"
    assert env_file.stat().st_mode & 0o777 == 0o600
    assert not closed(facts["flower"])
    second = demo("--once")
    _, err = second.communicate(timeout=30)
    assert (second.returncode, "already" in err) == (1, True)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    wait_for("the end of everything", lambda: leftovers(tmp_path) == [], seconds=5)
    check_closed(facts)
    assert not env_file.exists()
