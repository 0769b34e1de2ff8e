"""The order of news does not matter: one story, its events told in every order, one ending.

A story is played once and kept as a scene. Each order is told over that scene, with news that come
twice or never and with work done in between or left undone, and then a sweep follows. Everything
by chance comes from the seed and the order, so that a play can be repeated. Asserts nothing itself:
what differs is returned.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, permutations
from math import factorial

from sqlalchemy import select

from gateway.dev.sandbox.store import Object
from gateway.dev.torture.declare import Scenario
from gateway.dev.torture.ending import Ending, ending
from gateway.dev.torture.stage import Stage
from gateway.dev.torture.world import MINUTE, POLL, World
from gateway.kernel import crashpoints, db, runs
from gateway.kernel.runs import Run, RunStatus
from workers.relay import Hint

MOST = 6  # events of which every order is played
HOUR = 3601
# From the most telling on: what changes where a payment stands, then what goes with it.
TELLING = (
    "checkout.session.", "refund.", "charge.dispute.closed", "charge.dispute.created",
    "payment_intent.succeeded", "payment_intent.canceled", "payment_intent.",
    "charge.refunded", "charge.dispute.", "charge.",
)  # fmt: skip
Order = tuple[int, ...]


@dataclass(frozen=True)
class Play:
    """An order of a scenario's events, by their natural numbers, and the chances it is told by."""

    order: Order
    seed: str

    @property
    def chance(self) -> random.Random:
        return random.Random(f"{self.seed} {self.order}")


@dataclass(frozen=True)
class Violation:
    scenario: str
    play: Play
    differs: list[str]
    steps: list[str]

    def __str__(self) -> str:
        lines = [f"{self.scenario}: the ending depends on the order of news."]
        lines += [f"  seed {self.play.seed!r}, order {','.join(map(str, self.play.order))}"]
        lines += ["  what differs:", *(f"    {each}" for each in self.differs)]
        lines += ["  what happened:", *(f"    {each}" for each in self.steps)]
        return "\n".join(lines)


@dataclass
class Teller:
    """Tells Stripe's events in one order, with the troubles of the network and work in between."""

    world: World
    chance: random.Random
    keep: frozenset[str] = frozenset()  # one of these must arrive
    steps: list[str] = field(default_factory=list)
    waiting: list[Object] = field(default_factory=list)
    heard: int = 0

    def tell(self, events: list[Object]) -> None:
        self.heard, _ = self.world.stripe.events()
        self.waiting = self._troubled(events)
        crashpoints.arm(self._while_stripe_is_asked)
        try:
            while self.waiting:
                self._deliver()
                self._live()
                self._overhear()
        finally:
            crashpoints.arm(None)

    def _troubled(self, events: list[Object]) -> list[Object]:
        """Those that arrive, some of them again later."""
        rate = self.chance.choice((0, 0, 0.3, 0.9))
        lost = {event["id"] for event in events if self.chance.random() < rate}
        needed = [event["id"] for event in events if event["id"] in self.keep]
        if needed and lost.issuperset(needed):
            lost.discard(self.chance.choice(needed))
        arriving = [event for event in events if event["id"] not in lost]
        self.steps += [f"lost: {event['type']}" for event in events if event["id"] in lost]
        for event in list(arriving):
            if self.chance.random() < 0.2:
                first = arriving.index(event)
                arriving.insert(self.chance.randint(first + 1, len(arriving)), event)
        return arriving

    def _deliver(self) -> None:
        event = self.waiting.pop(0)
        self.steps.append(f"news: {event['type']}")
        self.world.tells(event)

    def _live(self) -> None:
        """Some, all or none of what is due is done; or a minute goes by."""
        what = self.chance.choice(("rest", "rest", "some", "all", "minute"))
        if what == "minute":
            self.steps.append("a minute")
            self.world.passes(MINUTE)
        elif what != "rest":
            done = self.world.turn(self._some if what == "some" else self._shuffled)
            self.steps += [f"done: {name}" for name in done]

    def _some(self, hints: list[Hint]) -> list[Hint]:
        return [hint for hint in self._shuffled(hints) if self.chance.random() < 0.5]

    def _shuffled(self, hints: list[Hint]) -> list[Hint]:
        return self.chance.sample(hints, len(hints))

    def _overhear(self) -> None:
        """What the gateway has just done at Stripe is news too, and comes at any later time."""
        self.heard, events = self.world.stripe.events(self.heard)
        for event in events:
            if self.chance.random() < 0.7:
                self.waiting.insert(self.chance.randint(0, len(self.waiting)), event)

    def _while_stripe_is_asked(self, point: str) -> None:
        if not point.startswith("stripe ") or point.endswith("commit"):
            return
        if self.waiting and self.chance.random() < 0.2:
            self.steps.append(f"in the middle, at {point!r}:")
            self._deliver()


class Theatre:
    """Plays one scenario again and again, and compares each ending with the declared one."""

    def __init__(self, stage: Stage, scenario: Scenario, seed: str) -> None:
        self.stage, self.scenario, self.seed = stage, scenario, seed
        stage.put_back(stage.empty)
        world = World(stage)
        scenario.story(world)
        self.scene = stage.keep(world.facts)
        self.before = ending(stage).told
        _, self.events = stage.stripe.events()
        self.keep = self._needed(world)
        self.natural = Play(tuple(range(len(self.events))), seed)
        self.expected = self._natural_ending()

    def undeclared(self) -> list[str]:
        """Where the natural order ends otherwise than the scenario says."""
        found = [f"fault: {each}" for (each,) in self.expected.parts["faults"]]
        told = self.expected.told - self.before
        for what, wanted, have in (
            ("line", Counter(self.scenario.ends), self.expected.lines),
            ("event", Counter(self.scenario.told), told),
        ):
            found += [f"{what} missing: {each}" for each in (wanted - have).elements()]
            found += [f"{what} not declared: {each}" for each in (have - wanted).elements()]
        return found

    def play(self, play: Play) -> Violation | None:
        teller = self.told(play)
        sweep(teller.world)
        differs = ending(self.stage).differs(self.expected)
        if not differs:
            return None
        return Violation(self.scenario.name, play, differs, teller.steps)

    def told(self, play: Play) -> Teller:
        """The scene, with the news told in this order; not yet repaired by any sweep."""
        teller = self._teller(play)
        teller.tell([self.events[number] for number in play.order])
        return teller

    def _teller(self, play: Play) -> Teller:
        self.stage.put_back(self.scene)
        return Teller(World(self.stage, self.scene.facts), play.chance, self.keep)

    def _natural_ending(self) -> Ending:
        """Every event at its place, and all the work done after each."""
        teller = self._teller(self.natural)
        for event in self.events:
            teller.world.tells(event)
            teller.world.works()
        sweep(teller.world)
        return ending(self.stage)

    def _needed(self, world: World) -> frozenset[str]:
        """The news that nobody asks for: those of a payment at an end."""
        if self.scenario.woken is None:
            return frozenset()
        mine, known = world.payment(self.scenario.woken), self.stage.stripe.payment_ids()
        about = {each["id"]: each["data"]["object"] for each in self.events}
        return frozenset(
            id
            for id, subject in about.items()
            if mine in (known.get(subject["id"]), known.get(subject.get("payment_intent") or ""))
        )


def sampled(events: int, number: int, seed: str) -> Iterator[Play]:
    """Different orders as long as there are some left, then the same by other chances."""
    chance = random.Random(seed)
    seen: Counter[Order] = Counter()
    for nth in range(number):
        order = tuple(chance.sample(range(events), events))
        while seen[order] > nth // factorial(events):
            order = tuple(chance.sample(range(events), events))
        yield Play(order, f"{seed}/{seen[order]}")
        seen[order] += 1


def every(events: list[Object], seed: str, limit: int | None = None) -> Iterator[Play]:
    """All orders of the most telling events, the others at their natural places."""
    ranked = sorted(range(len(events)), key=lambda number: (_rank(events[number]), number))
    places = sorted(ranked[:MOST])
    for moved in islice(permutations(places), limit):
        order = list(range(len(events)))
        for place, number in zip(places, moved, strict=True):
            order[place] = number
        yield Play(tuple(order), seed)


def orders_of(events: int, limit: int | None = None) -> int:
    """How many `every` plays."""
    whole = factorial(min(events, MOST))
    return whole if limit is None else min(whole, limit)


def _rank(event: Object) -> int:
    type = event["type"]
    return next(rank for rank, words in enumerate(TELLING) if type.startswith(words))


def sweep(world: World) -> None:
    """Time repairs what news have not told: leases, polls, one reconciliation, hourly looks."""
    world.passes(POLL)
    world.works()
    with db.transaction(actor="torture:reconcile") as tx:
        runs.start(tx, "reconcile")
    for _ in range(100):
        world.works()
        world.passes(1)
        if not _reconciling():
            break
    world.passes(HOUR)
    world.works()


def _reconciling() -> bool:
    with db.transaction(actor="torture:look") as tx:
        return tx.scalar(select(Run.id).where(Run.status == RunStatus.PENDING)) is not None
