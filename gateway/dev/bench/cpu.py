"""What a process and its children have used of the processors, as Linux tells it."""

import os
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of `pid`, of all below it, and of their children that have ended.

    0 where there is no /proc (macOS).
    """
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            fields = entry.read_text().rpartition(")")[2].split()
            one = int(entry.parent.name)
            parents[one] = int(fields[1])
            used[one] = sum(map(int, fields[11:15]))
    return sum(ticks for one, ticks in used.items() if _is_below(one, pid, parents)) / _TICKS


def _is_below(one: int, pid: int, parents: dict[int, int]) -> bool:
    while one != pid and one in parents:
        one = parents[one]
    return one == pid
