"""A run is decided by its seed, and what it names exists."""

import re
from collections import Counter
from pathlib import Path

import pytest

from gateway.dev.torture import schedule as drawn
from gateway.dev.torture.schedule import OUTLASTS, POINTS, SLEEPS, WEIGHTS, schedule
from gateway.dev.torture.stories import SHARES, told

ROOT = Path(__file__).parents[2]
ACTORS = re.compile(r'actor=f?"([^"]+)"|ACTOR = "([^"]+)"')


def test_the_same_seed_is_the_same_schedule() -> None:
    assert schedule(7, 200) == schedule(7, 200)
    assert schedule(7, 200) != schedule(8, 200)


def test_only_the_kinds_that_are_asked_for() -> None:
    assert {fault.kind for fault in schedule(7, 40, ("sleep", "kill"))} == {"sleep", "kill"}


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    assert schedule(7, 200)[:20] == schedule(7, 20)


@pytest.mark.parametrize("seed", range(20))
def test_twenty_faults_are_of_every_kind(seed: int) -> None:
    assert Counter(fault.kind for fault in schedule(seed, 20)) == WEIGHTS


def test_a_long_schedule_spares_nobody() -> None:
    faults = schedule(1, 200)
    killed = {fault.victim for fault in faults if fault.kind == "kill"}
    troubled = {(fault.victim, fault.how["trouble"]) for fault in faults if fault.kind == "network"}

    assert killed == {*drawn.PROCESSES, *drawn.SERVERS}
    assert len(troubled) == 4 * len(drawn.LINES)


def test_workers_sleep_where_they_could_die_through_their_claims_and_not() -> None:
    asleep = [fault for fault in schedule(1, 200) if fault.kind == "sleep"]

    assert {fault.victim for fault in asleep} == {*drawn.STRIPE_WORKERS, "worker-callbacks"}
    assert {fault.how["outlasts"] for fault in asleep} == {*OUTLASTS}
    assert all(point in POINTS[role] for role, point in SLEEPS)


def test_every_crash_point_is_one_that_the_code_passes() -> None:
    sources = [path.read_text() for name in ("gateway", "workers") for path in code(name)]
    written = set(re.findall(r'crashpoint\(f?"([^"]+)"\)', "".join(sources)))
    asked = set(re.findall(r'(?:ask|look)\(\s*"([^"]+)"', "".join(sources)))
    tasks = set(re.findall(r'= "([a-z]+\.[a-z]+)"|, "([a-z]+\.[a-z]+)"', "".join(sources)))
    names = {name for pair in tasks for name in pair}
    known = {actor for pair in ACTORS.findall("".join(sources)) for actor in pair}
    for points in POINTS.values():
        for point in points:
            if point.startswith("stripe ") and not point.endswith("commit"):
                assert point.split(" ", 1)[1].rsplit(" ", 1)[0] in asked, point
            elif point.endswith(" commit"):
                actor = point.rsplit(" ", 2)[0]
                assert actor in known or actor.removeprefix("task:") in names, point
            else:
                assert point in written, point


def code(package: str) -> list[Path]:
    return [path for path in (ROOT / package).rglob("*.py") if "dev" not in path.parts]


def test_the_same_seed_tells_the_same_stories_and_each_at_least_once() -> None:
    assert told(7, 100) == told(7, 100)
    assert {story for whose, story in told(7, 100) if whose == "ours"} == set(SHARES)
    assert [whose for whose, _ in told(7, 100)].count("theirs") == 4
    assert len(told(7, 3)) == 3
