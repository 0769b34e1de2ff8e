"""What the engine's clerks do: its statements, each a transaction of its own, in threads beside it.

Whatever they are given is claimed; what is lost with them is claimed again when the lease is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.callbacks import batches, delivery, lanes
from gateway.callbacks.batches import Taken
from gateway.callbacks.sender import Result
from gateway.kernel.db import transaction

ACTOR = "task:callbacks.deliver"


@dataclass
class News:
    """What is to be written down."""

    ended: list[tuple[Taken, Result]] = field(default_factory=list)
    wanting: dict[str, int] = field(default_factory=dict)  # so many out of an endpoint's lane
    held: list[Taken] = field(default_factory=list)  # into their lanes
    dropped: list[Taken] = field(default_factory=list)  # their endpoint is gone

    def __bool__(self) -> bool:
        return bool(self.ended or self.wanting or self.held or self.dropped)


def take(most: int) -> list[Taken]:
    with transaction(actor=ACTOR) as tx:
        return batches.take(tx, most)


def write(news: News) -> dict[str, bool]:
    """Returns the endpoints that were looked after, as `delivery.record` does."""
    tended = dict[str, bool]()
    if news.ended or news.wanting:
        with transaction(actor=ACTOR) as tx:
            tended = delivery.record(tx, news.ended, wanting=news.wanting)
    # Each apart, since each locks endpoints in the order of their ids.
    for work, deliveries in ((lanes.put_away, news.held), (lanes.drop, news.dropped)):
        if deliveries:
            with transaction(actor=ACTOR) as tx:
                work(tx, deliveries)
    return tended


def give_back(deliveries: Sequence[Taken]) -> None:
    """They have not been sent: somebody else may."""
    with transaction(actor=ACTOR) as tx:
        batches.give_back(tx, deliveries)
