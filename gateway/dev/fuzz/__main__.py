"""`./run fuzz`: generated and damaged requests at a real server with a database of its own.

Every answer is judged, then the database and the server's log. Exit code 1 if anything was wrong.
A quarter of the requests come from a generator that reads `/openapi.json`, the rest from a mutator;
one seed makes the same ones again, but for ids and signatures.
"""

import argparse
import json
import os
import queue
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.request import urlopen

import requests

from gateway.dev.bench.ground import Ground, ground
from gateway.dev.fuzz import described as generator
from gateway.dev.fuzz.invariants import broken
from gateway.dev.fuzz.judge import judge, kind
from gateway.dev.fuzz.mutate import Mutator
from gateway.dev.fuzz.wire import Answer, Sent, send
from gateway.dev.seed import KEY, SECRET, seed
from gateway.dev.walk import wait_for
from gateway.kernel.ids import new_id

SENDERS, GENERATED, REFURNISH = 8, 1 / 4, 500
MOST_TOLD = 50
# Limits would hide what lies behind them.
LIMITS = ("PER_KEY", "REFUSED", "PER_SHOPPER", "PER_ORDER")
UNLIMITED = {f"GATEWAY_RATE_{limit}": "1000000" for limit in LIMITS}


@dataclass
class Fuzz:
    """A run: takes requests, sends them from several threads, remembers what was wrong."""

    port: int
    total: int
    by_status: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    waiting: "queue.Queue[tuple[int, Sent] | None]" = field(
        default_factory=lambda: queue.Queue(SENDERS * 4)
    )
    lock: threading.Lock = field(default_factory=threading.Lock)
    taken: int = 0

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def take(self, sent: Sent) -> None:
        self.taken += 1
        self.waiting.put((self.taken, sent))
        if self.taken % 500 == 0:
            seconds = time.monotonic() - self.began
            wrong = len(self.violations)
            _say(f"{self.taken}/{self.total} sent in {seconds:.0f} s, {wrong} violations")

    def finish(self) -> float:
        """Wait for the last answers; how many seconds it all took."""
        for _ in self.threads:
            self.waiting.put(None)
        for thread in self.threads:
            thread.join()
        return time.monotonic() - self.began

    def _send(self) -> None:
        while (each := self.waiting.get()) is not None:
            number, sent = each
            try:
                answer = send(self.port, sent)
            except OSError as error:  # not even a connection
                answer = Answer(0, body=repr(error).encode())
            wrong = judge(sent, answer)
            with self.lock:
                self.by_status[kind(answer)] += 1
                self.violations += [
                    f"#{number} {why}: {answer.body[:300]!r} to {sent}" for why in wrong
                ]


def main() -> int:
    options = _options()
    with ground(UNLIMITED) as on:
        found = run(on, options.requests, options.seed)
    print(json.dumps(found) if options.json else _table(found), flush=True)
    return 1 if found["violations"] else 0


def run(on: Ground, total: int, number: int) -> dict[str, Any]:
    seed()
    url = on.web("web", "gateway.app:create_app")
    on.run("relay", [sys.executable, "-m", "workers.relay"])
    with urlopen(f"{url}/openapi.json") as answer:
        described = json.load(answer)
    fuzz = Fuzz(int(url.rpartition(":")[2]), total)
    generator.generate(described, url, int(total * GENERATED), number, fuzz.take)
    _say("the generator is done; now the mutator")
    mutator = Mutator(described, furnish(url), os.environ["STRIPE_WEBHOOK_SECRET"], number)
    for sent in mutator.requests():
        if fuzz.taken >= total:
            break
        fuzz.take(sent)
        if fuzz.taken % REFURNISH == 0:
            mutator.ids = furnish(url)
    seconds = fuzz.finish()
    fuzz.violations += afterwards(on, url)
    return {
        "requests": fuzz.taken,
        "seconds": round(seconds, 1),
        "seed": number,
        "by_status": dict(sorted(fuzz.by_status.items())),
        "violations": fuzz.violations,
    }


def furnish(url: str) -> dict[str, list[str]]:
    """One of everything, so that requests find something; ids by the first word of the path."""
    web = requests.Session()
    web.headers.update({"X-Api-Key": KEY, "X-Api-Secret": SECRET})
    for _ in range(3):  # some are deleted on the way
        hook = {"url": "http://127.0.0.1:1/"}
        web.post(f"{url}/api/v1/webhook-endpoints", json=hook, timeout=10)
    for number in range(20):
        body = {"order_id": f"pay-for-{number}", "amount": 50000, "currency": "INR"}
        web.post(f"{url}/api/v1/payments", json=body, timeout=10)
    for number in range(5):
        stock, items = {"on_hand": 10_000}, [{"name": "Tea", "quantity": 1, "unit_amount": 500}]
        web.put(f"{url}/api/v1/inventory/sku-{number}", json=stock, timeout=10)
        body = {"currency": "EUR", "items": [items[0] | {"sku": f"sku-{number}"}]}
        web.post(f"{url}/api/v1/orders", json=body, timeout=10)
    kinds = ("orders", "payments", "webhook-endpoints", "webhook-deliveries", "inventory")

    def rows(kind: str) -> list[str]:
        found = web.get(f"{url}/api/v1/{kind}", timeout=10).json()["data"]
        return [row.get("id") or row["sku"] for row in found]

    wait_for("the relay", lambda: bool(rows("webhook-deliveries")), seconds=20)
    # Nobody pays here, so there is none of these.
    never = {kind: [new_id(kind[:3])] for kind in ("captures", "refunds", "disputes")}
    return never | {kind: rows(kind) for kind in kinds}


def afterwards(on: Ground, url: str) -> list[str]:
    """What the requests have left behind: a server that lives, a sound database, a quiet log."""
    with on.sql() as cursor:
        found = broken(cursor)
    with urlopen(f"{url}/healthz", timeout=10) as answer:
        found += [] if answer.status == 200 else [f"/healthz answers {answer.status}"]
    for line in on.log("web").splitlines():
        if any(word in line for word in ("request failed", "Traceback", "panicked", "Unhandled")):
            found.append(f"the log: {line[:500]}")
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2000, help="how many to send (2000)")
    parser.add_argument("--seed", type=int, help="the same number makes the same requests")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(10**6)
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _table(found: dict[str, Any]) -> str:
    rate = found["requests"] / found["seconds"]
    lines = [f"{found['requests']} requests in {found['seconds']} s, {rate:.0f} a second,"]
    lines.append(f"with --seed {found['seed']}:\n")
    lines += [f"  {status:14} {count:7}" for status, count in found["by_status"].items()]
    wrong = found["violations"]
    lines.append(f"\n{len(wrong)} violations" + (":" if wrong else "."))
    lines += [f"  {each}" for each in wrong[:MOST_TOLD]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
