"""A process does at its crash point what was ordered, once, and only if it is still ordered."""

import os
import signal
from pathlib import Path

import pytest

from gateway.dev.torture import armed
from gateway.dev.torture.armed import DIE, SLEEP, STRUCK, Trigger


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What it would have sent itself."""
    sent: list[int] = []
    monkeypatch.setattr(armed.os, "kill", lambda pid, number: sent.append(number))
    return sent


@pytest.mark.parametrize(("what", "number"), [(DIE, signal.SIGKILL), (SLEEP, signal.SIGSTOP)])
def test_the_third_pass_strikes_and_no_later_one(
    what: str, number: int, tmp_path: Path, signals: list[int]
) -> None:
    order = tmp_path / "worker"
    trigger = Trigger(order)
    trigger("here")
    order.write_text(f"here\n2\n{what}")

    for point in ("here", "there", "here", "there"):
        trigger(point)
    assert signals == []
    trigger("here")
    trigger("here")

    assert signals == [number]
    assert os.listdir(tmp_path) == [f"worker{STRUCK}"]


def test_an_order_that_was_taken_back_is_forgotten(tmp_path: Path, signals: list[int]) -> None:
    order = tmp_path / "worker"
    trigger = Trigger(order)
    order.write_text(f"here\n1\n{DIE}")
    trigger("here")
    order.unlink()
    trigger("here")
    order.write_text(f"here\n1\n{DIE}")
    trigger("here")

    assert signals == []
