"""Where the same story is played again and again, each time with trouble at another crash point.

A scene is what happened before, kept as copies of all tables. Each play begins by putting them
back, which is many times cheaper than a new database; afterwards leases run out and passes go on
until all is quiet. Then the play is compared with the one that had no trouble: whatever differs
is named by the check that saw it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests_support import tell

from gateway.kernel import db, limits
from gateway.kernel.crashpoints import Crash
from gateway.kernel.heartbeats import Pulse, beat
from workers import callbacks
from workers.app import app
from workers.relay import Hint, Relay

from . import outcome
from .points import Points, crash

LEASE = 61
# What no play changes.
FIXED = ("alembic_version", "transitions")


class Broken(AssertionError):
    """The run ended elsewhere than the one without trouble. `checks` are those that saw it."""

    def __init__(self, where: str, expected: dict[str, Any], found: dict[str, Any]) -> None:
        self.checks = {name for name in expected if expected[name] != found[name]}
        self.where = where
        lines = [f"{name}:\n  {expected[name]}\n  {found[name]}" for name in sorted(self.checks)]
        super().__init__("\n".join([f"after trouble at {where}", *lines]))


@dataclass
class Scene:
    """What happened before: a schema of copied tables, and what tests remember of it."""

    schema: str
    facts: dict[str, Any] = field(default_factory=dict)
    calls: list[Any] = field(default_factory=list)  # those the merchant's server has seen
    memory: Any = None  # what Stripe knew, where it can be put back


class World:
    """One database, and the hands of everybody outside: merchant, shopper, Stripe, clock."""

    def __init__(self, stage: "Stage", facts: dict[str, Any]) -> None:
        self.points, self.client = stage.points, stage.client
        self.stripe, self.receiver = stage.stripe, stage.receiver
        self.facts = facts
        self.faults = stage.faults
        self.broken: list[str] = []
        self.lost_posts = range(1)
        self.calls: list[tuple[str, Any, dict[str, str], Any]] = []

    def __getattr__(self, name: str) -> Any:
        try:
            return self.facts[name]
        except KeyError:
            raise AttributeError(name) from None

    # The merchant.

    def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> Any:
        """As a careful client: repeated until there is an answer, with the same key or content."""
        headers = self.shop.headers | ({"Idempotency-Key": key} if key else {})
        answer = self.insist(lambda: self.client.post(path, json=body, headers=headers))
        assert answer.status_code in (200, 201, 202), answer.json
        if key:
            self.calls.append((path, body, headers, answer))
        return answer.json

    def answers(self) -> list[Any]:
        """Each call with a key once more: the same bytes, or what came instead."""
        found = []
        for path, body, headers, first in self.calls:
            again = self.client.post(path, json=body, headers=headers)
            same = (again.status_code, again.data) == (first.status_code, first.data)
            replayed = again.headers.get("Idempotent-Replayed")
            found.append((path, first.status_code, first.json["status"], same, replayed))
        return found

    # The shopper and Stripe.

    def pay(self, card: str = "4242424242424242") -> None:
        for (url,) in outcome.rows("SELECT checkout_url FROM payments WHERE checkout_url > ''"):
            self.stripe.pay(url, card)

    def tell(self, *types: str) -> None:
        """What Stripe has to tell, each until it is taken."""
        for event in self.stripe.events():
            if not types or event["type"] in types:
                answer = self.insist(lambda event=event: tell(self.client, event))
                assert answer.status_code == 200

    # The processes.

    def insist(self, call: Callable[[], Any]) -> Any:
        for _ in range(9):
            try:
                return call()
            except Crash:
                self.died()
        raise AssertionError("it never got through")

    def work(self) -> None:
        """What is due now is done, by processes that follow those that die."""
        for _ in range(9):
            try:
                self.passes()
                return
            except Crash:
                self.died()
                self.advance(LEASE)
        raise AssertionError("it never came to rest")

    def passes(self) -> int:
        """Relay, the tasks it hints, relay again; how much there was to do."""
        done = 0
        self.beat()
        for _ in range(100):
            hints: list[Hint] = []
            worked = quiet_relay(hints.extend).run_once()
            for name, subject, _ in hints:
                app.tasks[name](subject)
            done += worked
            if not worked:
                return done
        raise AssertionError("it never came to rest")

    def died(self) -> None:
        """A look at the very moment, before anybody repairs anything."""
        with self.points.mute():
            self.broken += outcome.promises(self)
            unwritten = outcome.unwritten_posts(self)
        seen = self.points.seen
        flying = seen.count("callback post before") - seen.count("callback post after")
        self.lost_posts = range(unwritten + flying + 1)

    def quiet(self) -> None:
        """Leases run out, and passes go on until there is nothing left to do."""
        for _ in range(60):
            self.advance(LEASE)
            if not self.passes():
                return
        raise AssertionError("it never became quiet")

    def advance(self, seconds: float) -> None:
        with db.transaction(actor="test:clock") as tx:
            tx.execute(_ADVANCE, {"n": seconds})

    def beat(self) -> None:
        with db.transaction(actor="test:heartbeat") as tx:
            beat(
                tx,
                *(
                    Pulse(f"test:{queue}", "worker", queue=queue, slots=50)
                    for queue in ("stripe", "callbacks", "clock")
                ),
            )


_ADVANCE = outcome.text("UPDATE clock SET offset_seconds = offset_seconds + :n")


def quiet_relay(send: Callable[[list[Hint]], None]) -> Relay:
    """One that has just looked for overdue jobs: they start when a test starts them."""
    relay = Relay(send)
    relay.looked_overdue = time.monotonic()
    return relay


Play = Callable[[World], None]
Trouble = Callable[[World], Callable[[str], None]]
IDLE_PASS = tuple(
    f"relay:{half} {moment} commit" for half in ("number", "due") for moment in ("before", "after")
)
WAITING = ("task:", "stripe ", "callback ")


def crashes(_: World) -> Callable[[str], None]:
    return crash


def stands_still(world: World) -> Callable[[str], None]:
    """The process sleeps; its lease runs out, others do what is due, and then it goes on."""

    def sleep(_: str) -> None:
        with another_process(world):
            # What it has in its hands is posted by others, and then by itself, in vain.
            world.lost_posts = range(1 + outcome.leased_deliveries())
            world.quiet()

    return sleep


@contextmanager
def another_process(world: World) -> Iterator[None]:
    """While this one sleeps: with nothing in its hands, and no troubles of its own."""
    asleep, callbacks.pump = callbacks.pump, callbacks.Pump()
    try:
        with world.points.mute():
            yield
    finally:
        callbacks.pump = asleep


class Stage:
    def __init__(self, superuser: Any, client: Any, receiver: Any) -> None:
        self.superuser, self.client, self.receiver = superuser, client, receiver
        self.points = Points()
        self.stripe: Any = None
        self.clean_stripe = False
        self.memory: Any = None  # of a Stripe that can be put back, if it is such a one
        self.every_place = False
        self.scenes = 0
        self.faults: list[str] = []

    def scene(self, prepare: Callable[[World], None], before: Scene | None = None) -> Scene:
        self.scenes += 1
        made = Scene(f"scene_{self.scenes}", dict(before.facts) if before else {})
        if before:
            self._put_back(before)
        prepare(World(self, made.facts))
        made.calls = list(self.receiver.calls)
        made.memory = self.memory.remember() if self.memory else None
        keep = [f"CREATE TABLE {made.schema}.{t} AS TABLE public.{t}" for t in self._tables()]
        self.superuser.execute("; ".join([f"CREATE SCHEMA {made.schema}", *keep]))
        return made

    def play(
        self,
        scene: Scene,
        play: Play,
        at: Iterable[int] = (),
        trouble: Trouble = crashes,
    ) -> tuple[dict[str, Any], list[str]]:
        """One run with trouble at the given points: its outcome, and the points passed."""
        if self.clean_stripe:
            self.stripe.lever("POST", "reset")
        self._put_back(scene)
        self.faults.clear()
        world = World(self, dict(scene.facts))
        try:
            self.points.start(at, trouble(world))
            play(world)
        finally:
            seen = list(self.points.stop())
        world.quiet()
        return outcome.of(world), seen

    def sweep(
        self,
        scene: Scene,
        play: Play,
        *,
        trouble: Trouble = crashes,
        part: tuple[int, int] = (0, 1),
        but: tuple[str, ...] = (),
    ) -> tuple[dict[str, Any], list[str]]:
        """Trouble at every point in turn; with `part` (i, n) at each n-th. Raises `Broken`. `but`
        leaves out points that begin like this, for a path that has nothing new there.

        A point that is passed many times has its trouble the first and the last time, unless the
        tests are run with --every-place. What is no crash happens between transactions, and only
        where a task or the network waits.
        """
        whole, names = self.play(scene, play)
        assert_sound(whole)
        if trouble is crashes:
            swept = sorted(set(range(1, len(names) + 1)) - idle(names))
        else:
            outside = sorted(self.points.outside)
            swept = [at for at in outside if names[at - 1].startswith(WAITING)]
        swept = [at for at in swept if not (but and names[at - 1].startswith(but))]
        if not self.every_place:
            swept = first_and_last(swept, names)
        for at in swept[part[0] :: part[1]]:
            found, _ = self.play(scene, play, {at}, trouble)
            if found != whole:
                raise Broken(f"{at} of {len(names)}, {names[at - 1]}", whole, found)
        return whole, names

    def _put_back(self, scene: Scene) -> None:
        """Every table as it was, without asking the guards, and an unused allowance of calls."""
        tables = self._tables()
        empty = [f"DELETE FROM public.{table}" for table in tables]
        fill = [
            f"INSERT INTO public.{table} OVERRIDING SYSTEM VALUE TABLE {scene.schema}.{table}"
            for table in tables
        ]
        self.superuser.execute("; ".join(empty + fill))
        self.receiver.calls[:] = scene.calls
        if scene.memory:
            self.memory.put_back(scene.memory)
        limits._pace.cache_clear()

    def _tables(self) -> list[str]:
        return sorted(set(db.Base.metadata.tables) - set(FIXED) | {"clock"})


def first_and_last(swept: list[int], names: list[str]) -> list[int]:
    """Of those that are called the same."""
    first = {names[at - 1]: at for at in reversed(swept)}
    last = {names[at - 1]: at for at in swept}
    return sorted({*first.values(), *last.values()})


def idle(names: list[str]) -> set[int]:
    """The points of the relay's passes that find nothing to do, but for the first such pass."""
    starts = [
        at
        for at in range(1, len(names) + 1)
        if tuple(names[at - 1 : at + 3]) == IDLE_PASS
        and names[at - 2 : at - 1] != ["relay numbered before fan-out"]
        and names[at + 3 : at + 4] != ["relay hints after"]
    ]
    return {at + step for at in starts[1:] for step in range(len(IDLE_PASS))}


def assert_sound(whole: dict[str, Any]) -> None:
    """Without any trouble nothing is owed, broken or told in the wrong way."""
    for check in ("owed", "posts", "promises", "faults"):
        assert whole[check] == [], (check, whole[check])
    assert isinstance(whole["sequence"], int)
    assert all(same and replayed for *_, same, replayed in whole["answers"])
