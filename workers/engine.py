"""The engine of the callbacks worker: claims due deliveries by the batch, sends them at once, and
writes down what came of them, for as long as there is work.

A place is filled again as soon as it is free. What an endpoint does not take now goes to its lane,
so that one which hangs or fails costs the others nothing. One thread minds the transfers, and two
clerks have the statements, so that nobody waits for the database. Killed at any point it loses
nothing: claims run out, and what was sent but not written down is sent again under the same
`webhook-id`.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError

from gateway.callbacks import circuit
from gateway.callbacks.batches import Taken
from gateway.callbacks.models import EndpointStatus
from gateway.callbacks.sender import Result
from gateway.callbacks.signing import headers_of
from gateway.callbacks.transfers import Transfers
from gateway.kernel.logs import get_logger
from workers import clerks
from workers.flow import SLOW_SECONDS, Flow

BATCH = 100
FLYING = 300  # not counting the slow: more at once would not be faster
WAITING = 500  # claimed, for endpoints that have as many in flight as they take
MOST = 1000  # in flight, with the slow: each has a socket
ERROR_SECONDS, WRITE_TRIES = 1.0, 30  # by then claims run out anyway
LOOK_SECONDS = 0.05  # how often to look for what is due, uncalled
REMEMBER_SECONDS = 10.0  # longer than what a second allows takes to be had again

AWAY = (OperationalError, InterfaceError)  # the database, or a lock that is not to be had

log = get_logger(__name__)


class Engine:
    """`called` is set when something may be due; `stopped` when no more is to be taken. Both are
    anybody's to set; one thread runs it. `most` may be in flight.
    """

    def __init__(self, called: threading.Event, stopped: threading.Event, most: int = MOST) -> None:
        self.called, self.stopped, self.most = called, stopped, most
        self.transfers = Transfers(kept=most)
        self.clerks = ThreadPoolExecutor(2, thread_name_prefix="callbacks-clerk")
        self.taking: Future[list[Taken]] | None = None
        self.writing: Future[dict[str, bool]] | None = None
        self.asked = 0  # how many are to be taken
        self.news = clerks.News()  # to be written down
        self.written = clerks.News()  # with a clerk
        self.tries = 0  # to write that down
        self.rests_until = 0.0  # the database is away
        self.flows: dict[str, Flow] = {}
        self.crowded: dict[str, Flow] = {}  # those where something waits
        self.fresh: dict[Taken, tuple[Flow, float]] = {}  # what is flying, and since when
        self.slow: set[Taken] = set()
        self.resting = set[str]()  # endpoints whose circuit opened since the last claim
        self.waiting = 0
        self.looked_at = self.worked_at = self.forgot_at = self.linger = 0.0

    def run(self, *, linger: float = 0.0) -> None:
        """Until nothing is under way and nothing has been due for `linger` seconds."""
        self.worked_at, self.linger = time.monotonic(), linger
        while self._goes_on():
            self._pull()
            if self.stopped.is_set():
                self._give_back()
            self._launch()
            self._land(self.transfers.wait(self._patience()))
            self._write_down()
            self._mind_the_slow()
            self._forget()

    def close(self) -> None:
        self.clerks.shutdown(wait=False, cancel_futures=True)
        self.transfers.close()

    def _goes_on(self) -> bool:
        """Whether something is called for, in hand or with a clerk, or was not long ago."""
        return bool(
            (self.called.is_set() or self.taking)
            or (self.waiting or self.transfers)
            or (self.news or self.written)
            or time.monotonic() - self.worked_at < self.linger
        )

    def _by_a_clerk(self, work: Callable[..., Any], *args: Any) -> Any:
        future = self.clerks.submit(work, *args)
        future.add_done_callback(lambda _: self.transfers.wake())
        return future

    def _pull(self) -> None:
        """Claim what is due, while there is room for a good part of a batch."""
        if self.taking is not None:
            if not self.taking.done():
                return
            taking, self.taking = self.taking, None
            try:
                taken = taking.result()
            except AWAY as error:
                taken = []
                self._rest(error)
            if taken:
                self.worked_at = time.monotonic()
                self._sort(taken)
            if len(taken) == self.asked:
                self.called.set()
        self.asked = self._room()
        if self.asked:
            self.resting.clear()
            self.taking = self._by_a_clerk(clerks.take, self.asked)

    def _room(self) -> int:
        """How many to take now: none when it is not time to look, or room for a few only."""
        room = min(
            BATCH,
            FLYING - len(self.fresh),
            WAITING - self.waiting,
            self.most - len(self.transfers) - self.waiting,
            self.most - len(self.news.ended) - len(self.written.ended),
        )
        at = time.monotonic()
        if at < self.rests_until:
            return 0
        is_time = self.called.is_set() or at - self.looked_at >= LOOK_SECONDS
        if self.stopped.is_set() or not is_time or room < BATCH // 2:
            return 0
        self.called.clear()
        self.looked_at = at
        return room

    def _sort(self, taken: Sequence[Taken]) -> None:
        """Each into its flow, its lane or, when its endpoint is gone, out of the world."""
        at = time.monotonic()
        for each in taken:
            flow = self.flows.setdefault(each.endpoint_id, Flow())
            flow.has_lane = flow.has_lane or each.has_lane
            if each.endpoint_status == EndpointStatus.DELETED:
                self.news.dropped.append(each)
            elif self._may_go(each) and flow.takes(each):
                flow.waiting.append((each, at))
                self.crowded[each.endpoint_id] = flow
                self.waiting += 1
            else:
                self.news.held.append(each)

    def _may_go(self, each: Taken) -> bool:
        lets_through = circuit.lets_through(each.endpoint_status, each.open_until, each.at)
        return lets_through and each.endpoint_id not in self.resting

    def _launch(self) -> None:
        for flow in self.crowded.values():
            while each := flow.next():
                self.waiting -= 1
                self._send(each, flow)
        self.crowded = {id: flow for id, flow in self.crowded.items() if flow.waiting}

    def _send(self, each: Taken, flow: Flow) -> None:
        try:
            headers = headers_of(
                event_id=each.event_id, body=each.body, secrets=each.secrets, at=datetime.now(UTC)
            )
            self.transfers.start(each, each.url, headers, each.body)
        except Exception as error:  # that one's own: its lease runs out, and others go on
            log.error("callback cannot be sent", delivery=each.id, exc_info=error)
            flow.flying -= 1
        else:
            self.fresh[each] = flow, time.monotonic()

    def _patience(self) -> float:
        """Seconds to wait for something to end: not long while something waits for its turn."""
        if self.waiting:
            return 0.01
        return LOOK_SECONDS if self._goes_on() else 0.0

    def _land(self, ended: Sequence[tuple[Taken, Result]]) -> None:
        """Their places are free."""
        for each, result in ended:
            flow = self.flows[each.endpoint_id]
            flow.landed(well=result.delivered, seconds=result.duration_ms / 1000)
            if self.fresh.pop(each, None) is None:
                self.slow.remove(each)
                flow.slow -= 1
            self._want_more(each.endpoint_id, flow)
            if result.error:
                log.info(
                    "callback failed",
                    delivery=each.id,
                    event_id=each.event_id,
                    endpoint=each.endpoint_id,
                    status=result.status_code,
                    ms=result.duration_ms,
                    error=result.error,
                )
        self.news.ended += ended

    def _want_more(self, endpoint_id: str, flow: Flow) -> None:
        """Have the next let out of its lane, if it is about to run dry."""
        if wants := flow.wants:
            self.news.wanting[endpoint_id] = wants
            flow.has_lane = False

    def _write_down(self) -> None:
        """What there is to write since the last time, by a clerk."""
        if self.writing is not None:
            if not self.writing.done():
                return
            writing, self.writing = self.writing, None
            try:
                self._settle(self.written, writing.result())
            except AWAY as error:  # again, rather than send again what was sent
                if self.tries >= WRITE_TRIES or self.stopped.is_set():
                    raise
                self._rest(error)
            else:
                self.written, self.tries = clerks.News(), 0
        if time.monotonic() < self.rests_until:
            return
        if not self.written:
            self.written, self.news = self.news, clerks.News()
        if self.written:
            self.tries += 1
            self.writing = self._by_a_clerk(clerks.write, self.written)

    def _rest(self, error: Exception) -> None:
        log.warning("database unavailable", error=str(error).split("\n")[0])
        self.rests_until = time.monotonic() + ERROR_SECONDS

    def _settle(self, news: clerks.News, tended: Mapping[str, bool]) -> None:
        """It is written down: what follows from it here."""
        for each, result in news.ended:
            if not result.delivered:
                self.flows[each.endpoint_id].failed -= 1
        for each in news.held:
            if flow := self.flows.get(each.endpoint_id):  # else it says so when it returns
                flow.has_lane = True
                if each.open_until is None:  # what held it may be over by now
                    self._want_more(each.endpoint_id, flow)
        if tended or news.dropped:
            self.called.set()
        rests = {id for id, lets_more in tended.items() if not lets_more}
        self.resting |= rests
        self._clear([self.crowded[id] for id in rests if id in self.crowded])

    def _mind_the_slow(self) -> None:
        """Those that take long leave their places to others, and what waits behind them goes to
        its lane.
        """
        before = time.monotonic() - SLOW_SECONDS
        while self.fresh:
            each, (flow, since) = next(iter(self.fresh.items()))
            if since > before:
                break
            del self.fresh[each]
            self.slow.add(each)
            flow.slow += 1
        self._clear([flow for flow in self.crowded.values() if flow.is_stuck()])

    def _clear(self, flows: Sequence[Flow]) -> None:
        """What waits there goes to its lane."""
        waiting = [each for flow in flows for each in flow.clear()]
        self.waiting -= len(waiting)
        self.news.held += waiting

    def _forget(self) -> None:
        """Endpoints that nothing was sent to for a while; as if they were new when they return."""
        before = time.monotonic() - REMEMBER_SECONDS
        if self.forgot_at < before:
            self.forgot_at = time.monotonic()
            self.flows = {
                id: flow
                for id, flow in self.flows.items()
                if flow.in_hand or flow.failed or flow.refilled_at > before
            }

    def _give_back(self) -> None:
        """No more is taken or begun: what is under way comes to its end."""
        self.called.clear()
        self.linger = 0.0
        waiting = [each for flow in self.crowded.values() for each in flow.clear()]
        self.waiting = 0
        if waiting:
            try:
                clerks.give_back(waiting)
            except AWAY as error:  # their leases run out
                self._rest(error)
