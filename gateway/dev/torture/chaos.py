"""One run: load and faults together, then peace until nothing is owed, then the proof.

Knows the order of things and their time limits; each thing itself is in a module of its own.
"""

import argparse
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from gateway.dev.machine import Unusable
from gateway.dev.places import VAR
from gateway.dev.torture import facts as facts_of
from gateway.dev.torture.client import Client, Ledger, Silent, finish
from gateway.dev.torture.facts import Facts
from gateway.dev.torture.faults import LEASE_SECONDS, Faults
from gateway.dev.torture.ground import Ground, NotStarted, ground
from gateway.dev.torture.load import Load
from gateway.dev.torture.proof import CHECKS, Violation
from gateway.dev.torture.proof_money import MONEY_CHECKS
from gateway.dev.torture.proof_told import TOLD_CHECKS
from gateway.dev.torture.receivers import Receiver, receivers
from gateway.dev.torture.report import Result, keep, say, summary, told_as_json
from gateway.dev.torture.schedule import length, schedule
from gateway.dev.torture.shoppers import Plan, Shop
from gateway.dev.torture.stories import pieces, told
from gateway.dev.walk import Stuck

QUIET_SECONDS = 180.0  # to settle in
MOVE_EVERY_SECONDS = 8.0  # while it settles, what waits for its time is brought forward
STUCK_SECONDS = 45.0  # without any change, minutes of its clock: it will never settle
PROGRESS_SECONDS = 5.0
# Reconciling leaves younger events alone, and must find the same ones missing in both its runs.
YOUNG_NEWS_SECONDS = 301
# What each is to hear of. By the first of a shop its stories follow what happens.
ENDPOINTS: dict[str, dict[str, tuple[str, ...]]] = {
    "ours": {
        "ours-1": ("*",),
        "ours-2": ("payment.requires_action", "payment.succeeded", "refund.succeeded"),
    },
    "theirs": {"theirs-1": ("*",)},
}


@dataclass
class Run:
    """Everything that takes part."""

    ground: Ground
    shops: dict[str, Shop]
    receivers: dict[str, Receiver]
    ledger: Ledger
    faults: Faults
    load: Load

    def progress(self) -> str:
        return (
            f"payments {self.load.begun} begun, {self.load.ended} ended of"
            f" {len(self.load.stories)}; faults {self.faults.done} of {len(self.faults.faults)}"
            f"; last: {self.faults.last or 'none'}"
        )


def torture(options: argparse.Namespace) -> int:
    """The exit status."""
    began = time.monotonic()
    say(f"seed {options.seed}: {options.payments} payments, {options.faults} faults")
    logs = VAR / "torture" / f"{options.seed}-{time.strftime('%H%M%S')}"
    try:
        result = _run(options, logs)
    except (Unusable, Stuck, TimeoutError, NotStarted) as error:
        result = Result(options, by_story={})
        result.violations = [Violation("start", "the gateway", "to run", str(error))]
    except KeyboardInterrupt:
        say(f"Interrupted. The logs are in {logs}.")
        return 130
    result.seconds = time.monotonic() - began
    if result.violations or options.keep:
        result.logs = logs
    else:
        shutil.rmtree(logs, ignore_errors=True)
    print(told_as_json(result) if options.json else summary(result), flush=True)
    return 1 if result.violations else 0


def _run(options: argparse.Namespace, logs: Path) -> Result:
    stories = told(options.seed, options.payments, options.stories)
    faults = schedule(options.seed, options.faults, options.kinds)
    say(f"starting everything; the faults take about {length(faults):.0f} s")
    names = tuple(name for every in ENDPOINTS.values() for name in every)
    with ground(logs) as on, receivers(names, options.seed) as (url, heard):
        say("everything runs; opening the shops")
        ledger = Ledger()
        shops = _open_shops(on, url, heard, ledger, stories)
        causing = Faults(on, faults, options.seed)
        load = Load(shops, stories, options.seed, causing.progress)
        causing.behind = load.behind
        run = Run(on, shops, heard, ledger, causing, load)
        result = Result(options, by_story=load.by_story)
        with _told_every_few_seconds(run):
            _under_load(run, result)
            left = _settle(run, result)
        try:
            facts = _look(run, left)
        except Silent as error:
            facts = Facts(left=[*left, str(error)])
        result.take(run.faults, ledger, heard.values(), facts)
        result.violations = prove(facts)
        keep(logs, run.faults, facts, result.violations)
    return result


def prove(facts: Facts) -> list[Violation]:
    found: list[Violation] = []
    for check in (*CHECKS, *MONEY_CHECKS, *TOLD_CHECKS):
        found += check(facts)
    return found


def _open_shops(
    on: Ground, url: str, heard: dict[str, Receiver], ledger: Ledger, stories: list[Any]
) -> dict[str, Shop]:
    """Two merchants with their endpoints and their stock, before anything goes wrong."""
    shops = {}
    for name, endpoints in ENDPOINTS.items():
        client = Client(on.web, on.merchant(name), ledger)
        for endpoint, types in endpoints.items():
            body = {"url": f"{url}/{endpoint}", "events": types}
            made = finish(
                client.post("webhook-endpoints", body, key=f"make-{endpoint}", expect=(201,))
            )
            heard[endpoint].trust(made.json["secret"])
            heard[endpoint].types = types
        plan = Plan(stock=pieces(stories, name))
        for sku, count in plan.stock.items():
            client.put(f"inventory/{sku}", {"on_hand": count})
        shops[name] = Shop(client, heard[next(iter(endpoints))], on.sandbox, plan)
    return shops


@contextmanager
def _told_every_few_seconds(run: Run) -> Iterator[None]:
    over = threading.Event()
    began = time.monotonic()

    def tell() -> None:
        while not over.wait(PROGRESS_SECONDS):
            say(f"{time.monotonic() - began:5.0f} s  {run.progress()}")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _under_load(run: Run, result: Result) -> None:
    """Until the last fault, and the last payment begun."""
    began = time.monotonic()
    run.faults.start()
    run.load.start()
    try:
        while not run.faults.over.wait(0.2):
            pass
    except BaseException:
        run.faults.abandon()
        raise
    run.faults.stop()
    result.load_seconds = time.monotonic() - began
    for receiver in run.receivers.values():
        receiver.well = True


def _settle(run: Run, result: Result) -> list[str]:
    """Wait until nobody owes anything; what is left, if that takes too long."""
    began = moved = changed = time.monotonic()
    left = ["everything"]
    run.ground.advance(LEASE_SECONDS)
    while left and time.monotonic() < min(began + QUIET_SECONDS, changed + STUCK_SECONDS):
        time.sleep(0.5)
        before, left = left, _left(run)
        changed = changed if left == before else time.monotonic()
        if left and time.monotonic() - moved > MOVE_EVERY_SECONDS:
            moved = time.monotonic()
            run.ground.advance(LEASE_SECONDS)
    result.settle_seconds = time.monotonic() - began
    run.load.stop()
    return left


def _left(run: Run) -> list[str]:
    """What is not at its end yet, in words."""
    left = run.load.left()
    if left:
        return left
    try:
        jobs = requests.get(f"{run.ground.web}/api/v1/test/jobs/status", timeout=5).json()
        ready = requests.get(f"{run.ground.web}/readyz", timeout=5).json()
    except (requests.RequestException, ValueError) as error:
        return [f"the web process: {error}"]
    for queue, counts in jobs.get("queues", {"jobs": {"pending": 1, "processing": 0}}).items():
        if counts["pending"] or counts["processing"]:
            left.append(f"{queue}: {counts['pending']} due, {counts['processing']} under way")
    for name, check in ready["checks"].items():
        if name not in ("attention", "reconciliation") and not check["ok"]:
            left.append(f"readyz {name}: {check}")
    try:
        for shop in run.shops.values():
            waiting = shop.client.everything("webhook-deliveries", status="pending")
            left += [f"delivery {each['id']}" for each in waiting]
    except Silent as error:
        left.append(str(error))
    return left


def _rest(run: Run) -> None:
    """What was quiet is so again, once it has done what has fallen due; seconds, usually."""
    for _ in range(40):
        if not _left(run):
            break
        time.sleep(0.5)


def _look(run: Run, left: list[str]) -> Facts:
    """The operator's commands first, since reconciling asks about everything once more; not of a
    gateway that has come to no rest: they would wait for it in vain.
    """
    say("quiet; reconciling" if not left else f"not quiet: {len(left)} things left")
    commands = {}
    if not left:
        run.ground.advance(YOUNG_NEWS_SECONDS)
        _rest(run)
        commands = facts_of.operators(run.ground)
        _rest(run)
    say("reading what all sides know")
    facts = facts_of.gather(run.ground, run.shops, run.receivers, run.ledger)
    facts.commands, facts.left, facts.broken = commands, left, run.load.broken
    return facts
