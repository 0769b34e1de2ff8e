"""The engine of the callbacks worker: claims due deliveries by the batch, sends them at once, and
writes down what came of them, for as long as there is work.

A place is filled again as soon as it is free. What an endpoint does not take now goes to its lane,
so that one which hangs or fails costs the others nothing. Between the statements it is in no
transaction; killed at any point it loses nothing: claims run out, and what was sent but not
written down is sent again under the same `webhook-id`.
"""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.callbacks import batches, circuit, delivery, lanes
from gateway.callbacks.batches import Taken
from gateway.callbacks.models import EndpointStatus
from gateway.callbacks.sender import Result
from gateway.callbacks.signing import headers_of
from gateway.callbacks.transfers import Transfers
from gateway.kernel.db import transaction
from gateway.kernel.logs import get_logger
from workers.flow import Flow

ACTOR = "task:callbacks.deliver"
BATCH = 100
FLYING = 300  # not counting the slow: more at once would not be faster
SLOW_SECONDS = 1.0
WAITING = 500  # claimed, for endpoints that have as many in flight as they take
MOST = 1000  # in flight, with the slow: each has a socket
# Below this many, the next are let out of an endpoint's lane.
LOW = 10
LOOK_SECONDS = 0.5
REMEMBER_SECONDS = 10.0  # longer than what a second allows takes to be had again

log = get_logger(__name__)


class Engine:
    """`called` is set when something may be due; `stopped` when no more is to be taken. Both are
    anybody's to set; one thread runs it.
    """

    def __init__(self, called: threading.Event, stopped: threading.Event) -> None:
        self.called, self.stopped = called, stopped
        self.transfers = Transfers()
        self.flows: dict[str, Flow] = {}
        self.crowded: dict[str, Flow] = {}  # those where something waits
        self.fresh: dict[str, tuple[Flow, float]] = {}  # what is flying, and since when
        self.slow: set[str] = set()
        self.waiting = 0
        self.forgot_at = 0.0

    def run(self) -> None:
        """Until nothing is due and nothing under way."""
        while self.called.is_set() or self.waiting or self.transfers:
            if self.stopped.is_set():
                self.called.clear()
                self._give_back()
            self._pull()
            self._launch()
            self._write_down(self.transfers.wait(self._patience()))
            self._mind_the_slow()
            self._forget()

    def close(self) -> None:
        self.transfers.close()

    def _pull(self) -> None:
        """Claim what is due, while there is room for a good part of a batch."""
        room = min(
            FLYING - len(self.fresh),
            WAITING - self.waiting,
            MOST - len(self.transfers) - self.waiting,
        )
        if not self.called.is_set() or room < BATCH // 2:
            return
        self.called.clear()
        most = min(BATCH, room)
        with transaction(actor=ACTOR) as tx:
            taken = batches.take(tx, most)
        if len(taken) == most:
            self.called.set()
        self._sort(taken)

    def _sort(self, taken: Sequence[Taken]) -> None:
        """Each into its flow, its lane or, when its endpoint is gone, out of the world."""
        held, dropped, at = [], [], time.monotonic()
        for each in taken:
            flow = self.flows.setdefault(each.endpoint_id, Flow())
            flow.has_lane = flow.has_lane or each.has_lane
            if each.endpoint_status == EndpointStatus.DELETED:
                dropped.append(each)
            elif circuit.lets_through(
                each.endpoint_status, each.open_until, each.at
            ) and flow.takes(each):
                flow.waiting.append((each, at))
                self.crowded[each.endpoint_id] = flow
                self.waiting += 1
            else:
                held.append(each)
        if held or dropped:
            self._put_away(held, dropped)

    def _put_away(self, held: Sequence[Taken], dropped: Sequence[Taken] = ()) -> None:
        with transaction(actor=ACTOR) as tx:
            if held:
                lanes.hold(tx, held)
            if dropped:
                lanes.drop(tx, dropped)
        for each in held:
            self.flows[each.endpoint_id].has_lane = True
        if dropped:
            self.called.set()

    def _launch(self) -> None:
        for flow in self.crowded.values():
            while each := flow.next():
                self.waiting -= 1
                self.fresh[each.id] = flow, time.monotonic()
                headers = headers_of(
                    event_id=each.event_id,
                    body=each.body,
                    secrets=each.secrets,
                    at=datetime.now(UTC),
                )
                self.transfers.start(each, each.url, headers, each.body)
        self.crowded = {id: flow for id, flow in self.crowded.items() if flow.waiting}

    def _patience(self) -> float:
        """Seconds to wait for something to end: not long while something waits for its turn."""
        if self.waiting:
            return 0.01
        return LOOK_SECONDS if self.transfers else 0.0

    def _write_down(self, ended: Sequence[tuple[Taken, Result]]) -> None:
        if not ended:
            return
        more = set()
        for each, result in ended:
            flow = self.flows[each.endpoint_id]
            flow.landed(well=result.delivered)
            if self.fresh.pop(each.id, None) is None:
                self.slow.remove(each.id)
                flow.slow -= 1
            if flow.has_lane and flow.in_hand < LOW:
                more.add(each.endpoint_id)
                flow.has_lane = False
            if result.error:
                log.info(
                    "callback failed",
                    delivery=each.id,
                    status=result.status_code,
                    error=result.error,
                )
        with transaction(actor=ACTOR) as tx:
            tended = delivery.record(tx, ended, waiting=more)
        if tended:
            self.called.set()
            self._clear([self.flows[id] for id, lets_more in tended.items() if not lets_more])

    def _mind_the_slow(self) -> None:
        """Those that take long leave their places to others, and what waits behind them goes to
        its lane.
        """
        before = time.monotonic() - SLOW_SECONDS
        while self.fresh:
            id, (flow, since) = next(iter(self.fresh.items()))
            if since > before:
                break
            del self.fresh[id]
            self.slow.add(id)
            flow.slow += 1
        self._clear([flow for flow in self.crowded.values() if flow.is_stuck()])

    def _clear(self, flows: Sequence[Flow]) -> None:
        """What waits there goes to its lane."""
        waiting = [each for flow in flows for each in flow.clear()]
        self.waiting -= len(waiting)
        if waiting:
            self._put_away(waiting)

    def _forget(self) -> None:
        """Endpoints that nothing was sent to for a while; as if they were new when they return."""
        before = time.monotonic() - REMEMBER_SECONDS
        if self.forgot_at < before:
            self.forgot_at = time.monotonic()
            self.flows = {
                id: flow
                for id, flow in self.flows.items()
                if flow.in_hand or flow.refilled_at > before
            }

    def _give_back(self) -> None:
        waiting = [each for flow in self.crowded.values() for each in flow.clear()]
        self.waiting = 0
        if waiting:
            with transaction(actor=ACTOR) as tx:
                batches.give_back(tx, waiting)
