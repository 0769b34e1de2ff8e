"""Which faults hit whom and when: drawn from the seed, all of it before anything begins.

Only decides, so that a seed that found something can be played again; `faults` carries it out.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

# Two ask Stripe: while one is away or asleep, the other takes over what it had claimed.
STRIPE_WORKERS = ("worker-stripe", "worker-stripe-2")
WORKERS = (*STRIPE_WORKERS, "worker-callbacks", "worker-clock")
PROCESSES = ("web", "relay", *WORKERS, "beat", "sandbox")
SERVERS = ("postgres", "redis")
LINES = ("web-postgres", "workers-postgres", "redis", "stripe")
MEAN_SECONDS = 1.4  # between two faults: a process is back in one to three

# As many of every twenty. What one process does alone finds less than what dies in the middle.
WEIGHTS = {
    "crash": 5,
    "kill": 3,
    "network": 3,
    "sleep": 3,
    "stripe": 2,
    "pause": 1,
    "term": 1,
    "flush": 1,
    "clock": 1,
}

_EVENTS = ("events before insert", "events after insert")


def _commits(*actors: str) -> tuple[str, ...]:
    return tuple(f"{actor} {when} commit" for actor in actors for when in ("before", "after"))


def _calls(*names: str) -> tuple[str, ...]:
    return tuple(f"stripe {name} {when}" for name in names for when in ("before", "after"))


# Who passes which crash point. A test holds this against the code.
POINTS: dict[str, tuple[str, ...]] = {
    "web": (*_EVENTS, *_commits("api", "stripe"), "idempotency answer before it is kept"),
    "relay": (
        *_commits("relay:number"),
        "relay numbered before fan-out",
        "relay hint before",
        "relay hints after",
    ),
    "worker-stripe": (
        *_EVENTS,
        *_commits("task:payments.submit", "task:payments.refresh"),
        *_commits("task:captures.submit", "task:refunds.submit"),
        *_calls("create session", "retrieve session", "expire session"),
        *_calls("capture intent", "create refund"),
        "stripe create session failed",
        "stripe retrieve session failed",
    ),
    "worker-callbacks": (
        *_commits("task:callbacks.deliver"),
        "callback post before",
        "callback post after",
    ),
}
# Who asks Stripe has most to lose, and the others their share.
CRASHERS = (*STRIPE_WORKERS, "web", "relay", "worker-callbacks")
# Who falls asleep where: with an answer in hand that is old when it wakes. What a payment's state
# is, is asked most often and ages fastest.
SLEEPS = (
    *(("worker-stripe", "stripe retrieve session after"),) * 4,
    ("worker-stripe", "stripe create session after"),
    ("worker-stripe", "stripe capture intent after"),
    ("worker-stripe", "stripe create refund after"),
    ("worker-callbacks", "callback post after"),
)
# By then its claim is another's; or is still its own, but what it is about has moved on.
OUTLASTS = ("claim", "claim", "news")
BURSTS: tuple[dict[str, float], ...] = (
    {"error_before": 0.5},
    {"error_after": 0.4},
    {"timeout_after": 0.4},
    {"drop_webhooks": 1.0},
    {"duplicate_webhooks": 1.0, "reorder_webhooks": 1.0},
    {"delay_webhooks_s": 3.0},
    {"latency_ms": 400},
)


@dataclass(frozen=True)
class Fault:
    """`delay` seconds after the one before; lasts for `seconds` where that means anything."""

    kind: str
    victim: str
    delay: float
    seconds: float = 0.0
    how: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        how = " ".join(f"{name}={value}" for name, value in self.how.items())
        lasting = f"for {self.seconds:g} s" if self.seconds else ""
        return " ".join(filter(None, (self.kind, self.victim, how, lasting)))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Bag:
    """Draws each once before any twice, so that a short run misses little."""

    def __init__(self, random: Random, things: Sequence[Any]) -> None:
        self.random, self.things = random, list(things)
        self.left: list[Any] = []

    def draw(self) -> Any:
        if not self.left:
            self.left = self.random.sample(self.things, len(self.things))
        return self.left.pop()


def schedule(seed: int, count: int, only: Collection[str] = ()) -> list[Fault]:
    """The same for the same arguments; `only` of these kinds, if any are named."""
    random = Random(f"faults {seed}")
    chosen = {kind: weight for kind, weight in WEIGHTS.items() if not only or kind in only}
    kinds = Bag(random, [kind for kind, weight in chosen.items() for _ in range(weight)])
    draw = _Draw(random)
    faults = []
    for _ in range(count):
        delay = round(random.uniform(0.4, 1.6) * MEAN_SECONDS, 2)
        faults.append(getattr(draw, kinds.draw())(delay))
    return faults


def length(faults: Sequence[Fault]) -> float:
    """Seconds that they are spread over, if nobody has to wait."""
    return sum(fault.delay for fault in faults)


class _Draw:
    """One fault of a kind; the method is called as the kind."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.bags: dict[str, Bag] = {}

    def _one_of(self, name: str, things: Sequence[Any]) -> Any:
        return self.bags.setdefault(name, Bag(self.random, things)).draw()

    def _seconds(self, least: float, most: float) -> float:
        return round(self.random.uniform(least, most), 1)

    def kill(self, delay: float) -> Fault:
        return Fault("kill", self._one_of("kill", PROCESSES + SERVERS), delay)

    def term(self, delay: float) -> Fault:
        return Fault("term", self._one_of("term", PROCESSES), delay)

    def crash(self, delay: float) -> Fault:
        victim = self._one_of("crashers", CRASHERS)
        role = "worker-stripe" if victim in STRIPE_WORKERS else victim
        how = {"point": self._one_of(role, POINTS[role]), "passes": self.random.randrange(4)}
        return Fault("crash", victim, delay, how=how)

    def network(self, delay: float) -> Fault:
        pairs = [(line, how) for line in LINES for how in ("latency", "half_open", "reset", "drip")]
        victim, trouble = self._one_of("network", pairs)
        seconds = 0.2 if trouble == "reset" else self._seconds(1.5, 4)
        return Fault("network", victim, delay, seconds, {"trouble": trouble})

    def stripe(self, delay: float) -> Fault:
        rates = self._one_of("bursts", BURSTS)
        return Fault("stripe", "sandbox", delay, self._seconds(2, 5), dict(rates))

    def pause(self, delay: float) -> Fault:
        victim = self._one_of("pause", ("redis", "sandbox", "relay"))
        return Fault("pause", victim, delay, self._seconds(2, 5))

    def flush(self, delay: float) -> Fault:
        return Fault("flush", "redis", delay)

    def clock(self, delay: float) -> Fault:
        """Leases run out under those who work, and what waits for its time is due."""
        return Fault("clock", "leases", delay)

    def sleep(self, delay: float) -> Fault:
        """A worker that stops between an answer and its outcome while others go on, and wakes."""
        role, point = self._one_of("sleep", SLEEPS)
        victim = role
        if role == "worker-stripe":
            victim = self._one_of("sleepers", STRIPE_WORKERS)
        how = {
            "point": point,
            "passes": self.random.randrange(3),
            "outlasts": self._one_of("outlasts", OUTLASTS),
        }
        return Fault("sleep", victim, delay, self._seconds(2, 4), how)
