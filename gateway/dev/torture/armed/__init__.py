"""The gateway's processes as they are, but each dies, or falls asleep, where the harness says so.

The folder that TORTURE_CRASHES names may hold a file with the process's name: which crash point it
is to pass how many times before it kills itself there, or stops itself until somebody wakes it.
Product code knows nothing of it.
"""

import os
import signal
from pathlib import Path

from gateway.kernel import crashpoints

FOLDER = "TORTURE_CRASHES"
STRUCK = ".struck"  # what is added to the file's name as the process dies or falls asleep
DIE, SLEEP = "die", "sleep"


def arm() -> None:
    """From now on; a second process of that name, such as a respawned one, does the same."""
    folder, name = os.environ.get(FOLDER), os.environ.get("GATEWAY_PROCESS", "")
    if folder:
        crashpoints.arm(Trigger(Path(folder, name)))


class Trigger:
    """Called at every crash point, so it looks for the file only, until there is one."""

    def __init__(self, order: Path) -> None:
        self.order, self.path = order, str(order)
        self.passed = 0

    def __call__(self, point: str) -> None:
        if not os.path.exists(self.path):
            self.passed = 0
            return
        try:
            wanted, passes, what = self.order.read_text(encoding="utf-8").split("\n")
            if point != wanted:
                return
            self.passed += 1
            if self.passed > int(passes):
                # Only one thread can: it is once per order, also for those that come after us.
                self.order.rename(f"{self.path}{STRUCK}")
                os.kill(os.getpid(), signal.SIGSTOP if what == SLEEP else signal.SIGKILL)
        except OSError:  # another thread was quicker, or the order was taken back
            return
