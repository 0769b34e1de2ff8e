"""Tells the webhook what happened, signed as Stripe signs, again and again until it is confirmed.

What is owed lives in the store, so a restart forgets nothing. Retries and signatures use wall time:
they are about the network, which does not follow the movable clock.
"""

import json
import queue
import threading
import time

import requests
import stripe

from gateway.dev.sandbox import events
from gateway.dev.sandbox.context import Sandbox
from gateway.dev.sandbox.store import Object

WAITS_S = (1, 2, 4, 8, 15, 30, 60)  # The last one repeats.
TIMEOUT_S = (2, 10)
IN_PARALLEL = 8
_IDLE_S = 0.5  # A missed wake-up costs no more than this.


class Deliverer:
    def __init__(self, sandbox: Sandbox, url: str) -> None:
        self._sandbox = sandbox
        self._url = url
        self._queue: queue.Queue[int] = queue.Queue()
        self._in_hand: set[int] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def start(self) -> None:
        for target in [self._plan] + [self._deliver] * IN_PARALLEL:
            threading.Thread(target=target, daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        self._sandbox.news.set()

    def _plan(self) -> None:
        """Hand out what is due, then sleep until the next is due or something happens."""
        while not self._stopping.is_set():
            self._sandbox.news.clear()
            wait = self._hand_out()
            self._sandbox.news.wait(wait)

    def _hand_out(self) -> float:
        now = time.time()
        with self._sandbox.store.transaction() as tx:
            rows = tx.execute(
                "SELECT id, due_at FROM deliveries WHERE state = 'pending'"
                " ORDER BY due_at, id LIMIT ?",
                10 * IN_PARALLEL,
            ).fetchall()
        for id, due_at in rows:
            if due_at > now:
                return min(_IDLE_S, float(due_at) - now)
            with self._lock:
                is_new = id not in self._in_hand
                self._in_hand.add(id)
            if is_new:
                self._queue.put(id)
        return _IDLE_S

    def _deliver(self) -> None:
        with requests.Session() as http:
            http.trust_env = False  # A proxy has no business between two local processes.
            while not self._stopping.is_set():
                id = self._queue.get()
                event = self._event_due(id)
                if event is not None:
                    self._note(id, confirmed=self._send(http, event))
                with self._lock:
                    self._in_hand.discard(id)
                if self._queue.empty():
                    self._sandbox.news.set()

    def _event_due(self, id: int) -> Object | None:
        """Asked again just before sending: the plan may be older than the last attempt."""
        with self._sandbox.store.transaction() as tx:
            row = tx.execute(
                "SELECT event_id FROM deliveries"
                " WHERE id = ? AND state = 'pending' AND due_at <= ?",
                id,
                time.time(),
            ).fetchone()
            event = tx.get("event", row[0]) if row else None
            return events.shown(tx, event) if event else None

    def _send(self, http: requests.Session, event: Object) -> bool:
        # At the moment of sending at least this endpoint has not confirmed it.
        waiting = max(1, event["pending_webhooks"])
        body = json.dumps(event | {"pending_webhooks": waiting}, indent=2)
        signature = stripe.WebhookSignature.generate_signature_header(
            body, self._sandbox.webhook_secret, int(time.time())
        )
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
            "User-Agent": "Stripe/1.0 (sandbox)",
        }
        try:
            answer = http.post(
                self._url, body.encode(), headers=headers, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException:
            return False
        return 200 <= answer.status_code < 300

    def _note(self, id: int, *, confirmed: bool) -> None:
        now = time.time()
        with self._sandbox.store.transaction() as tx:
            sql = "SELECT attempts, give_up_at FROM deliveries WHERE id = ?"
            attempts, give_up_at = tx.execute(sql, id).fetchone() or (0, 0.0)
            due_at = now + WAITS_S[min(attempts, len(WAITS_S) - 1)]
            state = "delivered" if confirmed else "pending" if due_at < give_up_at else "failed"
            sql = "UPDATE deliveries SET state = ?, attempts = ?, due_at = ? WHERE id = ?"
            tx.execute(sql, state, attempts + 1, due_at, id)
