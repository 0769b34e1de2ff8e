"""Runs: `clock.start` makes a calendar job's run of this period, `clock.step` takes any further.

Both may come twice: a period has one run, and a run is claimed by one worker at a time.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from gateway.callbacks import replays
from gateway.kernel import runs
from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import lock, transaction
from gateway.kernel.due import MAX_ATTEMPTS, Claim, claim, is_ours, postpone, settle
from gateway.kernel.logs import get_logger
from gateway.kernel.runs import Run, RunStatus
from gateway.processor.types import Misconfigured, ProcessorError, Refused
from gateway.reconciliation import books, invariants, service
from workers import pruning, reconciliation
from workers.app import task

log = get_logger(__name__)

START, STEP = "clock.start", "clock.step"

# One step is one short transaction; True when the run has ended.
STEPS: dict[str, Callable[[Session, Run], bool]] = {
    "prune": pruning.step,
    invariants.JOB: invariants.check,
    replays.JOB: replays.step,  # no calendar job: somebody asks for it
}
# Before it these ask Stripe, and the transaction gets what was heard.
ASKING: dict[str, tuple[Callable[[Claim[Run]], Any], Callable[[Session, Run, Any], bool]]] = {
    service.JOB: (reconciliation.look, service.advance),
    books.JOB: (reconciliation.read_balance, books.advance),
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
    job = claimed.row.job
    if _is_hopeless(claimed):
        _give_up(claimed)
        return
    if job not in ASKING:
        _write(claimed, STEPS[job])
        return
    ask, write = ASKING[job]
    try:
        heard = ask(claimed)
    except ProcessorError as error:
        log.warning("stripe did not settle it", error=str(error), said=error.said)
        _unanswered(claimed, error)
    else:
        _write(claimed, lambda tx, run: write(tx, run, heard))


def _write(claimed: Claim[Run], advance: Callable[[Session, Run], Any]) -> None:
    with transaction(actor=f"task:{STEP}") as tx:
        run = lock(tx, Run, claimed.row.id)
        if is_ours(run, claimed):
            settle(tx, run, claimed, due_in=service.STEP_SECONDS)
            advance(tx, run)


def _unanswered(claimed: Claim[Run], error: ProcessorError) -> None:
    with transaction(actor=f"task:{STEP}") as tx:
        run = lock(tx, Run, claimed.row.id)
        if is_ours(run, claimed):
            attention = isinstance(error, Refused | Misconfigured)
            postpone(tx, run, claimed, why=str(error), attention=attention)


def _is_hopeless(claimed: Claim[Run]) -> bool:
    """A calendar's run that does not come to its end, whatever keeps it, makes room for the next.

    Decided before the step, which may be what fails.
    """
    if claimed.row.job == service.JOB:
        return service.is_stuck(claimed)
    return claimed.row.job in runs.JOBS and claimed.attempts > MAX_ATTEMPTS


def _give_up(claimed: Claim[Run]) -> None:
    why = claimed.row.needs_attention
    if claimed.row.job == service.JOB:
        _write(claimed, service.give_up)
    else:
        _write(claimed, lambda tx, run: run.finish(tx, RunStatus.FAILED, error=why))
