"""Prints `docs/states.md`: every life cycle, drawn from the tables in code. A test keeps it true.

python -m gateway.dev.states > docs/states.md
"""

from typing import Any

from gateway.callbacks.models import Delivery, Endpoint
from gateway.captures.models import Capture
from gateway.disputes.models import Dispute
from gateway.kernel.runs import Run
from gateway.kernel.stateful import Recorded
from gateway.orders.models import Order
from gateway.payments.models import Payment
from gateway.reconciliation.models import Discrepancy
from gateway.refunds.models import Refund
from gateway.stripe_events.models import StripeEvent

KINDS: tuple[Any, ...] = (
    *(Order, Payment, Capture, Refund, Dispute),
    *(StripeEvent, Endpoint, Delivery, Run, Discrepancy),
)

MEANINGS: dict[str, dict[str, str]] = {
    "order": {
        "created": "Recorded; nobody has tried to pay.",
        "payment_in_progress": "A payment of the order is under way.",
        "payment_failed": "A payment ended without money; the next attempt may be made.",
        "payment_done": "The order is paid. Fulfil on this.",
        "packaging": "The order is paid and has items to pack.",
        "cancelled": "The order will not be paid any more, or was given back. Final.",
    },
    "payment": {
        "pending": "Recorded; Stripe has not answered yet.",
        "requires_action": "The shopper can pay at `checkout_url`.",
        "processing": "The bank takes its time.",
        "authorized": "The amount is held and can be captured.",
        "succeeded": "Stripe has the money.",
        "failed": "Stripe has proof that it ended without money.",
        "expired": "Nobody paid in time.",
        "cancelled": "It was given up before money moved.",
        "refunded": "Everything captured was given back.",
        "review": "Stripe reports another amount, currency or mode; an operator decides.",
    },
    "capture": {
        "pending": "Asked for; Stripe has not taken the money yet.",
        "succeeded": "The money was taken. What was held beyond it was let go. Final.",
        "failed": "Nothing was taken by it; the row says why. Final.",
    },
    "refund": {
        "pending": "Asked for, or on its way through the banks.",
        "succeeded": "Stripe has given the money back.",
        "failed": "The money is with the merchant again, days after it was given back even. Final.",
        "cancelled": "It was taken back at Stripe before it arrived. Final.",
    },
    "dispute": {
        "open": "The shopper's bank asks; answer it at Stripe before `respond_by`.",
        "won": "The money is the merchant's. Final.",
        "lost": "The money is the shopper's. Final.",
    },
    "stripe_event": {
        "received": "Stored; its payment is due to be looked at.",
        "processed": "Stripe was asked about its payment after it came.",
        "ignored": "Not for us; the row says why.",
        "unmatched": "No payment of ours, yet; reconciliation tries again.",
        "failed": "It could not be handled; somebody should look.",
    },
    "endpoint": {
        "enabled": "Callbacks are sent to it.",
        "disabled": "Its callbacks wait until it is enabled again.",
        "deleted": "It receives nothing any more. Final.",
    },
    "delivery": {
        "pending": "An attempt is due, now or later.",
        "delivered": "The endpoint answered with a 2xx.",
        "exhausted": "The schedule is over, or the endpoint is gone.",
    },
    "discrepancy": {
        "open": "Both sides differ; somebody should look.",
        "fixed": "Both sides agree again; the row says how that came. Final.",
        "resolved": "Somebody has looked; the row says who, and what was done. Final.",
    },
    "run": {
        "pending": "The job is due or under way.",
        "succeeded": "The job came to its end. Final.",
        "failed": "The job gave up; the row says why. Final.",
    },
}

INTRO = """\
# States

Every row with a life cycle moves along the arrows below and in no other way: the code refuses
other moves, and so does a trigger in the database. Drawn by `python -m gateway.dev.states` from
the tables in code; do not edit by hand.
"""


def statuses(kind: Any) -> list[str]:
    """Every status of a kind, in the order in which its table first names them."""
    named = [status for targets in kind.TRANSITIONS.values() for status in targets]
    return list(dict.fromkeys(map(str, named)))


def diagram(kind: Any) -> str:
    arrows = [
        f"    {before or '[*]'} --> {after}"
        for before, targets in kind.TRANSITIONS.items()
        for after in targets
    ]
    final = [status for status in statuses(kind) if not kind.TRANSITIONS.get(status)]
    arrows += [f"    {status} --> [*]" for status in final]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])


def section(kind: Any) -> str:
    log = (
        "Each change is an event that merchants may hear."
        if issubclass(kind, Recorded)
        else "Writes no events; it has a log of its own."
    )
    rows = [f"| `{status}` | {MEANINGS[kind.KIND][status]} |" for status in statuses(kind)]
    table = "\n".join(["| status | meaning |", "| --- | --- |", *rows])
    title = kind.KIND.replace("_", " ").capitalize()
    return f"## {title}\n\n{log}\n\n{diagram(kind)}\n\n{table}\n"


def page() -> str:
    return "\n".join([INTRO, *map(section, KINDS)])


if __name__ == "__main__":
    print(page(), end="")
