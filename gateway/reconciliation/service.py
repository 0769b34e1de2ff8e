"""One reconciliation run: make every open payment due, then wait until each was answered for.

There is no second way to ask Stripe: the same refresh that follows a webhook does the work.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import now
from gateway.kernel.runs import Run, RunStatus
from gateway.payments import service as payments
from gateway.settings import settings
from gateway.stripe_events import service as stripe_events

STEP_SECONDS = 0.5
GIVE_UP_AFTER = timedelta(minutes=50)  # before the next one begins


def step(tx: Session, run: Run) -> bool:
    """Begin, or count what is left. True when the run has ended."""
    if run.total is None:
        stripe_events.match_again(tx)
        run.total = payments.make_open_due(
            tx, before=run.created_at, per_second=settings().reconcile_per_second
        )
        crashpoint("reconcile payments made due")
    left = payments.unchecked(tx, since=run.created_at)
    run.done = max(run.done, run.total - left)
    if left == 0:
        run.finish(tx, RunStatus.SUCCEEDED)
    elif now(tx) - run.created_at > GIVE_UP_AFTER:
        run.finish(tx, RunStatus.FAILED, error=f"{left} payments had no answer in time.")
    return run.status != RunStatus.PENDING
