"""Tells many stories with few threads: each goes on when it has something to do.

Begins as many as the run's progress allows, so that the load lasts as long as the faults do.
"""

import heapq
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from random import Random

from gateway.dev.torture.client import Flow
from gateway.dev.torture.shoppers import Shop, Story, Telling

THREADS, MOST_OPEN = 8, 250  # more would only wait for each other, and ask meanwhile
LEAST_BEHIND, MOST_BEHIND = 100, 0.25  # of all, before the faults wait
IDLE_SECONDS = 0.02


class Load:
    """`begun`, `ended` and `broken` count; `left` names those that have not ended."""

    def __init__(
        self,
        shops: dict[str, Shop],
        stories: list[tuple[str, Telling]],
        seed: int,
        progress: Callable[[], float],
    ) -> None:
        self.shops, self.stories, self.seed, self.progress = shops, stories, seed, progress
        self.begun = self.ended = 0
        self.broken: list[str] = []
        self.by_story: Counter[str] = Counter()
        self.open: dict[int, tuple[str, Story]] = {}
        self._due: list[tuple[float, int, Flow]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"load-{number}", daemon=True)
            for number in range(THREADS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def is_over(self) -> bool:
        return self.ended == len(self.stories)

    def behind(self) -> bool:
        """Whether many more were to begin by now: they wait until others have ended."""
        most = max(LEAST_BEHIND, MOST_BEHIND * len(self.stories))
        return self.progress() * len(self.stories) - self.begun > most

    def left(self) -> list[str]:
        with self._lock:
            found = [f"{name} {story.number} {story.doing}" for name, story in self.open.values()]
        return found + ["not begun"] * (len(self.stories) - self.begun)

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                self._begin()
                ready = self._due and self._due[0][0] <= time.monotonic()
                turn = heapq.heappop(self._due) if ready else None
            if turn is None:
                self._stop.wait(IDLE_SECONDS)
                continue
            self._go_on(turn[1], turn[2])

    def _begin(self) -> None:
        allowed = min(len(self.stories), int(self.progress() * len(self.stories)) + 1)
        while self.begun < allowed and len(self.open) < MOST_OPEN:
            number = self.begun
            whose, telling = self.stories[number]
            story = Story(self.shops[whose], number, Random(f"{self.seed} {number}"))
            name = telling.__name__
            self.open[number] = name, story
            self.by_story[name] += 1
            # Those that are allowed at once do not all come in the same moment.
            at = time.monotonic() + story.random.random()
            heapq.heappush(self._due, (at, number, telling(story)))
            self.begun += 1

    def _go_on(self, number: int, flow: Flow) -> None:
        try:
            wait = next(flow)
        except StopIteration:
            self._end(number)
        except Exception:  # a story's own thread must not end with it
            name, story = self.open[number]
            words = traceback.format_exc().strip().splitlines()
            self.broken.append(f"{name} {number} {story.doing}: {' | '.join(words[-3:])}")
            self._end(number)
        else:
            with self._lock:
                heapq.heappush(self._due, (time.monotonic() + wait, number, flow))

    def _end(self, number: int) -> None:
        with self._lock:
            del self.open[number]
            self.ended += 1
