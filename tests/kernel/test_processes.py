"""What processes leave behind: runs, heartbeats, crash points."""

import pytest

from celerybeat_schedule import SCHEDULE
from gateway.kernel import crashpoints, runs
from gateway.kernel.crashpoints import Crash, crashpoint
from gateway.kernel.db import lock, now, transaction
from gateway.kernel.heartbeats import STALE_SECONDS, Pulse, alive, beat
from gateway.kernel.runs import Run, RunStatus

from .support import ACTOR, at_once, made, order


def scheduled(job="reconcile"):
    with transaction(actor=ACTOR) as tx:
        return runs.start_scheduled(tx, job)


def finish(run, status=RunStatus.SUCCEEDED):
    with transaction(actor=ACTOR) as tx:
        lock(tx, Run, run.id).finish(tx, status)


def overdue():
    with transaction(actor=ACTOR) as tx:
        return runs.overdue(tx)


def until_next(period):
    """Seconds from now to the beginning of the next period."""
    with transaction(actor=ACTOR) as tx:
        return period - now(tx).timestamp() % period


def test_a_period_has_one_run_whenever_it_began(advance):
    advance(until_next(3600) + 3000)
    first = scheduled()
    assert first.due_at == first.created_at
    finish(first)

    advance(until_next(3600) - 60)
    assert scheduled() is None
    advance(120)

    assert scheduled().id != first.id


def test_a_run_that_still_works_is_not_doubled(advance):
    scheduled()

    advance(2 * 86400)

    assert scheduled() is None


def test_a_failed_run_is_not_repeated_in_its_period(database):
    finish(scheduled(), RunStatus.FAILED)

    assert scheduled() is None


def test_schedulers_at_once_make_one_run(database, sql):
    started = at_once(6, lambda _: scheduled())

    assert sum(run is not None for run in started) == 1
    assert sql("SELECT count(*) FROM runs") == 1


def test_jobs_have_periods_of_their_own(database):
    assert scheduled("reconcile") is not None
    assert scheduled("prune") is not None


def test_an_operator_may_start_one_at_any_time(database, sql):
    scheduled()
    with transaction(actor=ACTOR) as tx:
        runs.start(tx, "reconcile")

    assert sql("SELECT count(*) FROM runs") == 2


def test_a_finished_run_owes_nothing(database):
    run = scheduled()
    finish(run)

    with transaction(actor=ACTOR) as tx:
        after = tx.get_one(Run, run.id)
        assert (after.status, after.due_at) == ("succeeded", None)
        assert after.finished_at <= now(tx)


def test_a_job_that_never_ran_is_overdue(database):
    assert overdue() == list(runs.JOBS)


def test_a_job_is_overdue_seconds_after_its_time(advance):
    advance(until_next(86400) + 60)
    for job in runs.JOBS:
        scheduled(job)
    assert overdue() == []

    advance(until_next(3600))
    assert overdue() == []
    advance(runs.OVERDUE_SECONDS + 1)
    assert overdue() == ["reconcile"]
    advance(3600 + 20 * 60)

    assert overdue() == ["reconcile", "balance"]
    advance(3600)
    assert overdue() == list(runs.JOBS)


def test_a_run_that_was_told_to_do_a_part_is_not_the_hours(database):
    with transaction(actor=ACTOR) as tx:
        runs.start(tx, "reconcile", params={"dry_run": True, runs.PART: True})
    assert "reconcile" in overdue()

    assert scheduled("reconcile") is not None

    assert "reconcile" not in overdue()


def test_beat_and_the_relay_have_one_calendar():
    times = {
        entry["args"][0]: (sorted(entry["schedule"].hour), sorted(entry["schedule"].minute))
        for entry in SCHEDULE.values()
    }

    every_hour = list(range(24))
    assert times == {
        name: (every_hour if job.period == 3600 else [job.at // 3600], [job.at % 3600 // 60])
        for name, job in runs.JOBS.items()
    }


# Heartbeats.


def living():
    with transaction(actor=ACTOR) as tx:
        return {pulse.name: pulse for pulse in alive(tx)}


def pulse(name, **what):
    with transaction(actor=ACTOR) as tx:
        beat(tx, Pulse(name, "worker", **what))


def test_who_was_heard_of_lately_is_alive(database):
    pulse("w:1", queue="stripe", slots=8)
    pulse("w:1", queue="stripe", slots=0)
    pulse("b", ok=False, detail="gone")

    assert {name: (p.slots, p.ok, p.detail) for name, p in living().items()} == {
        "w:1": (0, True, None),
        "b": (0, False, "gone"),
    }


def test_who_was_not_heard_of_for_long_is_not_alive(database, sql):
    for name, seconds in (("late", STALE_SECONDS + 1), ("just", STALE_SECONDS - 2)):
        pulse(name)
        statement = "UPDATE heartbeats SET seen_at = now() - make_interval(secs => :n)"
        sql(f"{statement} WHERE name = :name", n=seconds, name=name)

    assert set(living()) == {"just"}


def test_moving_the_clock_kills_nobody_and_keeps_nobody_alive(database, advance, sql):
    pulse("before")

    advance(3 * 86400)
    pulse("after")

    assert set(living()) == {"before", "after"}
    assert sql("SELECT max(seen_at) <= now() FROM heartbeats")


# Crash points.


@pytest.fixture
def armed():
    seen = []
    crashpoints.arm(seen.append)
    yield seen
    crashpoints.arm(None)


def test_a_transaction_passes_a_point_before_and_after_its_commit(shop, armed):
    made(order, shop)

    assert armed == [
        "test:setup before commit",
        "events before insert",
        "events after insert",
        "test:setup after commit",
    ]


def test_the_points_lie_on_the_two_sides_of_the_commit(shop, sql):
    def crash_at(point):
        def hook(name):
            if name == point:
                raise Crash(name)

        crashpoints.arm(hook)
        with pytest.raises(Crash):
            made(order, shop)
        crashpoints.arm(None)
        return sql("SELECT count(*) FROM orders")

    assert crash_at("test:setup before commit") == 0
    assert crash_at("test:setup after commit") == 1


def test_no_except_exception_survives_a_crash():
    assert issubclass(Crash, BaseException)
    assert not issubclass(Crash, Exception)


def test_a_disarmed_point_is_free(armed):
    crashpoints.arm(None)
    crashpoint("anywhere")

    assert armed == []
