"""Runs: `clock.start` makes a calendar job's run of this period, `clock.step` takes any further.

Both may come twice: a period has one run, and a run is claimed by one worker at a time.
"""

from collections.abc import Callable

from sqlalchemy.orm import Session

from gateway.callbacks import replays
from gateway.kernel import runs
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import lock, transaction
from gateway.kernel.due import claim, is_ours, settle
from gateway.kernel.runs import Run
from gateway.reconciliation import service as reconciliation
from workers import pruning
from workers.app import task

START, STEP = "clock.start", "clock.step"

# One step is one short transaction; True when the run has ended.
STEPS: dict[str, Callable[[Session, Run], bool]] = {
    "reconcile": reconciliation.step,
    "prune": pruning.step,
    replays.JOB: replays.step,  # no calendar job: somebody asks for it
}


@task(START)
def start(job: str) -> None:
    if job not in runs.JOBS:
        raise ValueError(f"there is no job {job!r}; known: {', '.join(runs.JOBS)}")
    with transaction(actor=f"task:{START}") as tx:
        runs.start_scheduled(tx, job)


@task(STEP)
def step(run_id: str) -> None:
    with transaction(actor=f"task:{STEP}") as tx:
        claimed = claim(tx, Run, run_id)
    if claimed is None:
        return
    crashpoint(f"task:{STEP} claimed")
    with transaction(actor=f"task:{STEP}") as tx:
        run = lock(tx, Run, run_id)
        if is_ours(run, claimed):
            settle(tx, run, claimed, due_in=reconciliation.STEP_SECONDS)
            STEPS[run.job](tx, run)
