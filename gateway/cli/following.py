"""Following a run with a bar of progress, and what to say when it does not come to its end.

A run needs nobody who watches: whoever stops, or loses patience, only stops watching.
"""

import sys
import time

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from sqlalchemy.exc import SQLAlchemyError

from gateway.kernel.db import transaction
from gateway.kernel.heartbeats import alive
from gateway.kernel.runs import Run, RunStatus

ACTOR = "operator:cli"
LOOK_SECONDS = 0.3
MOST_PATIENCE = 7 * 86400
STOPPED = 130  # as a shell says of what was ended by Ctrl-C

timeout_option = click.option(
    "--timeout",
    type=click.IntRange(0, MOST_PATIENCE),
    default=300,
    show_default=True,
    help="Give up watching after SECONDS.",
)


def follow(run_id: str, timeout: int, *, words: str, quiet: bool) -> Run:
    """The run as it is when it has ended, or when the time is over."""
    deadline = time.monotonic() + timeout
    bar = (TextColumn(words), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*bar, console=Console(stderr=True), disable=quiet) as progress:
            shown = progress.add_task("", total=None)
            while True:
                with transaction(actor=ACTOR) as tx:
                    run = tx.get_one(Run, run_id)
                progress.update(shown, total=run.total, completed=run.done)
                if run.status != RunStatus.PENDING or time.monotonic() > deadline:
                    return run
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        click.echo(f"Not watched any more; {run_id} goes on by itself.", err=True)
        sys.exit(STOPPED)
    except SQLAlchemyError:  # whose words the caller says
        click.echo(f"Not watched any more; {run_id} goes on by itself.", err=True)
        raise


def missing(*, queues: tuple[str, ...], otherwise: str) -> str:
    """Why a run may not have ended: what should be alive and is not, or else `otherwise`."""
    with transaction(actor=ACTOR) as tx:
        living = alive(tx)
    kinds = {pulse.queue or pulse.kind for pulse in living if pulse.ok}
    wanted = {
        "relay": "the relay (gateway relay)",
        **{queue: f"a worker for the queue {queue}" for queue in queues},
        "broker": "the broker",
    }
    found = [words for kind, words in wanted.items() if kind not in kinds]
    if found:
        return f"Not running: {', '.join(found)}. The run goes on once they do."
    return otherwise
