"""What a scenario is: a story, how it must end, and what must have been told.

Says nothing of any order of news: that is the players' part.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.dev.torture.world import World

Story = Callable[[World], None]


@dataclass(frozen=True)
class Scenario:
    """`ends` are the lines of the ending, `told` the events written once the news begin to come.

    `woken` is the attempt that is at an end for the gateway, so that it never asks about it by
    itself: at least one piece of its news must arrive. Stripe repeats each for three days.
    """

    name: str
    story: Story
    ends: tuple[str, ...]
    told: tuple[str, ...]
    woken: int | None = None


SCENARIOS: list[Scenario] = []


def scenario(
    *ends: str, told: tuple[str, ...] = (), woken: int | None = None
) -> Callable[[Story], Story]:
    def declare(story: Story) -> Story:
        name = story.__name__.replace("_", "-")
        SCENARIOS.append(Scenario(name, story, ends, told, woken))
        return story

    return declare
