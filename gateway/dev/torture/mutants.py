"""The planted bugs: classic mistakes of this trade, each of which a tortured gateway must betray.

Only says what is wrong where, and under which run it shows; `hunt` plants and runs them. A text
that is to be replaced must stand in its file exactly once, so that no bug goes stale unseen.
"""

from dataclasses import dataclass
from pathlib import Path


class Stale(RuntimeError):
    """The source has moved on, and the bug can no longer be planted as it is written here."""


@dataclass(frozen=True)
class Edit:
    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Raises `Stale`."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise Stale(f"{self.file} has {text.count(self.old)} times: {self.old!r}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True)
class Mutant:
    """`what` is the bug in a sentence; payments, faults and seed are a run that suits it. One that
    shows only when two things meet has more `tries`, each with the next seed.
    """

    name: str
    what: str
    edits: tuple[Edit, ...]
    payments: int
    faults: int
    seed: int = 7
    kinds: str = ""  # of faults, with commas; all of them if empty
    stories: str = ""  # of shoppers, likewise
    tries: int = 1

    def plant(self, root: Path) -> None:
        for edit in self.edits:
            edit.apply(root)


NO_SWEEP = Mutant(
    "no-sweep",
    "The relay hints each row that is due once, and never again.",
    (
        Edit(
            "workers/relay.py",
            "for hint, at in self.sent.items() if now < at + _repeat_after(hint)}",
            "for hint, at in self.sent.items() if hint[1] != ALL or now < at + 1}",
        ),
    ),
    payments=60,
    faults=20,
)
FRESH_KEY = Mutant(
    "fresh-key",
    "Every try of one business attempt has a Stripe idempotency key of its own.",
    (
        Edit(
            "gateway/kernel/asking.py",
            "from gateway.kernel.db import now\n",
            "from gateway.kernel.db import now\nfrom gateway.kernel.ids import new_id\n",
        ),
        Edit(
            "gateway/kernel/asking.py",
            'f"{self.ASKS_FOR}:{self.id}:{self.request_number}"',
            'new_id("key")',
        ),
    ),
    payments=60,
    faults=20,
)
LATER_EVENT = Mutant(
    "later-event",
    "A change commits first, and its event in a second transaction.",
    (
        Edit(
            "gateway/kernel/events.py",
            '@event.listens_for(Session, "before_commit")\n',
            '@event.listens_for(Session, "after_commit")\n'
            "def write_later(tx: Session) -> None:\n"
            "    if recorded := tx.info.pop(_PENDING, None):\n"
            '        crashpoint("events before insert")\n'
            "        with engine().begin() as connection:\n"
            "            connection.execute(_INSERT, recorded)\n"
            '        crashpoint("events after insert")\n'
            "\n"
            "\n",
        ),
        Edit(
            "gateway/kernel/events.py",
            "from gateway.kernel.db import Base\n",
            "from gateway.kernel.db import Base, engine\n",
        ),
    ),
    payments=60,
    faults=20,
    kinds="crash",
)
UNGUARDED = Mutant(
    "unguarded",
    "A status is written whatever it was before, and the database does not mind.",
    (
        Edit(
            "gateway/kernel/stateful.py",
            "return status in self.TRANSITIONS.get(self._status, ())"
            "  # type: ignore[call-overload]",
            "return True",
        ),
        Edit(
            "gateway/migrations/versions/0001_main_job.sql",
            "    IF TG_OP = 'UPDATE' AND OLD.status = NEW.status THEN\n",
            "    IF TG_OP = 'UPDATE' THEN\n",
        ),
    ),
    payments=40,
    faults=10,
)
BELIEVED_AMOUNT = Mutant(
    "believed-amount",
    "What Stripe reports as paid is believed, whatever was to be paid.",
    (
        Edit(
            "gateway/payments/service.py",
            "return next((each for each in reversed(theirs) if each not in right), None)",
            "return None",
        ),
    ),
    payments=30,
    faults=5,
)
EARLY_DELIVERED = Mutant(
    "early-delivered",
    "A callback is marked as delivered before it is sent, and as failed only once it has failed.",
    (
        Edit(
            "workers/engine.py",
            "        try:\n            headers = headers_of(\n",
            "        clerks.mark(each)\n        try:\n            headers = headers_of(\n",
        ),
        Edit(
            "workers/clerks.py",
            "def write(news: News)",
            "def mark(each: Taken) -> None:\n"
            "    with transaction(actor=ACTOR) as tx:\n"
            "        batches.mark(tx, each)\n"
            "\n"
            "\n"
            "def write(news: News)",
        ),
        Edit(
            "gateway/callbacks/batches.py",
            "def put_away(tx: Session,",
            "def mark(tx: Session, each: Taken) -> None:\n"
            "    done = \"UPDATE callback_deliveries SET status = 'delivered', due_at = NULL\"\n"
            '    tx.connection().execute(text(f"{done} WHERE id = :id"), {"id": each.id})\n'
            "\n"
            "\n"
            "def put_away(tx: Session,",
        ),
        Edit(
            "gateway/callbacks/batches.py",
            "status = CASE WHEN d.due_at = v.due_at THEN",
            "status = CASE WHEN coalesce(d.due_at, v.due_at) = v.due_at THEN",
        ),
        Edit(
            "gateway/callbacks/batches.py",
            "due_at = CASE WHEN d.due_at = v.due_at\n",
            "due_at = CASE WHEN coalesce(d.due_at, v.due_at) = v.due_at\n",
        ),
    ),
    payments=60,
    faults=15,
    seed=36,
)
ANY_TENANT = Mutant(
    "any-tenant",
    "Who knows an id may read what is under it, whoever it belongs to.",
    (
        Edit(
            "gateway/kernel/owned.py",
            'mine = {"merchant_id": caller.merchant_id, "livemode": caller.livemode}',
            'mine = {"livemode": caller.livemode}',
        ),
    ),
    payments=30,
    faults=5,
)
NO_FENCING = Mutant(
    "no-fencing",
    "Who has lost a claim writes all the same, and news that came meanwhile is forgotten.",
    (
        Edit("gateway/kernel/due.py", "return row.lease == claimed.lease", "return True"),
        Edit(
            "gateway/kernel/due.py",
            "    if row.due_at == claimed.due_at:\n        row.due_at = None if",
            "    if row.due_at != 0:\n        row.due_at = None if",
        ),
    ),
    payments=100,
    faults=24,
    seed=9,
    kinds="sleep",
    stories="declined_first",
    tries=3,
)

MUTANTS = (
    *(NO_SWEEP, FRESH_KEY, LATER_EVENT, UNGUARDED),
    *(BELIEVED_AMOUNT, EARLY_DELIVERED, ANY_TENANT, NO_FENCING),
)
