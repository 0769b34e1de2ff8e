"""What a run says: lines while it goes on, a summary for people, one line for programs."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.dev.torture.client import Ledger
from gateway.dev.torture.facts import Facts
from gateway.dev.torture.faults import Faults
from gateway.dev.torture.proof import Violation
from gateway.dev.torture.receivers import Receiver

MOST_TOLD, MOST_MESSAGES = 60, 20
# Of a run that never began.
NOTHING: dict[str, Any] = {
    **{name: {} for name in ("faults_by_kind", "struck", "payments_by_status", "answers")},
    **dict.fromkeys(("missed", "armed", "requests", "repeats", "unanswered", "events"), 0),
    **dict.fromkeys(("callbacks", "callbacks_refused", "out_of_stock", "clock_moved", "deaths"), 0),
}


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


@dataclass
class Result:
    options: argparse.Namespace
    by_story: Mapping[str, int]
    violations: list[Violation] = field(default_factory=list)
    seconds: float = 0.0
    load_seconds: float = 0.0
    settle_seconds: float = 0.0
    logs: Path | None = None
    figures: dict[str, Any] = field(default_factory=lambda: dict(NOTHING))

    def take(
        self, faults: Faults, ledger: Ledger, receivers: Iterable[Receiver], facts: Facts
    ) -> None:
        """The figures that nobody judges."""
        receivers = list(receivers)
        statuses = Counter(p["status"] for side in facts.sides.values() for p in side.payments)
        self.figures = {
            "faults_by_kind": dict(sorted(faults.by_kind.items())),
            "missed": len(faults.missed),
            "armed": sum(faults.armed.values()),
            "struck": dict(sorted(faults.struck.items())),
            "payments_by_status": dict(sorted(statuses.items())),
            "requests": ledger.requests,
            "repeats": ledger.repeats,
            "unanswered": ledger.unanswered,
            "answers": {str(status): n for status, n in sorted(ledger.statuses.items())},
            "events": sum(len(side.events) for side in facts.sides.values()),
            "callbacks": sum(each.attempts for each in receivers),
            "callbacks_refused": sum(each.refused for each in receivers),
            "out_of_stock": sum(side.plan.refused for side in facts.sides.values()),
            "clock_moved": round(faults.ground.moved),
            "deaths": sum(1 for _, words in faults.ground.told if words.startswith("died")),
        }

    @property
    def by_check(self) -> dict[str, int]:
        return dict(Counter(each.check for each in self.violations))


def keep(logs: Path, faults: Faults, facts: Facts, violations: Iterable[Violation]) -> None:
    """Beside the processes' logs: what was done to them, what was known, and what was wrong."""
    known = {
        "stripe": facts.stripe,
        "commands": facts.commands,
        "jobs": facts.jobs,
        "ready": facts.ready,
        **{
            name: {"payments": side.payments, "orders": side.orders, "events": side.events}
            for name, side in facts.sides.items()
        },
    }
    done = [fault.as_dict() for fault in faults.faults]
    files = {"facts.json": known, "schedule.json": done, "missed.json": faults.missed}
    for name, content in files.items():
        (logs / name).write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
    (logs / "violations.txt").write_text("\n".join(map(str, violations)), encoding="utf-8")


def told_as_json(result: Result) -> str:
    figures = result.figures
    said = {
        "seed": result.options.seed,
        "payments": result.options.payments,
        "faults": result.options.faults,
        "crash_points": sum(figures["struck"].values()),
        "violations": len(result.violations),
        "settle_seconds": round(result.settle_seconds, 1),
        "load_seconds": round(result.load_seconds, 1),
        "seconds": round(result.seconds, 1),
        "by_check": result.by_check,
        "messages": [str(each)[:500] for each in result.violations[:MOST_MESSAGES]],
        "logs": str(result.logs) if result.logs else None,
    }
    return json.dumps(said | {name: value for name, value in figures.items() if name != "struck"})


def summary(result: Result) -> str:
    figures, options = result.figures, result.options
    struck = sum(figures["struck"].values())
    rate = options.payments / max(1.0, result.load_seconds + result.settle_seconds)
    lines = [
        f"{options.payments} payments and {options.faults} faults in {result.seconds:.0f} s:"
        f" {result.load_seconds:.0f} s of load, {result.settle_seconds:.0f} s to settle,"
        f" {rate:.1f} payments a second",
        "",
        f"  faults         {_counts(figures['faults_by_kind'])}"
        f" ({figures['missed']} found nobody); {figures['deaths']} deaths",
        f"  crash points   {struck} of {figures['armed']} struck",
        *(f"                 {count:4}  {point}" for point, count in figures["struck"].items()),
        f"  payments       {_counts(figures['payments_by_status'])}",
        f"  refused        {figures['out_of_stock']} orders without stock",
        f"  stories        {_counts(result.by_story)}",
        f"  requests       {figures['requests']}, {figures['repeats']} repeated,"
        f" {figures['unanswered']} without an answer; {_counts(figures['answers'])}",
        f"  callbacks      {figures['callbacks']} of {figures['events']} events,"
        f" {figures['callbacks_refused']} refused",
        f"  clock          put forward by {figures['clock_moved']} s",
        "",
        f"{len(result.violations)} violations" + (":" if result.violations else "."),
        *(f"  {each}" for each in result.violations[:MOST_TOLD]),
    ]
    if len(result.violations) > MOST_TOLD:
        lines.append(f"  ... and {len(result.violations) - MOST_TOLD} more: {result.by_check}")
    if result.logs:
        lines.append(f"The logs are in {result.logs}.")
    again = f"--payments {options.payments} --faults {options.faults} --seed {options.seed}"
    for name in ("kinds", "stories"):
        if some := getattr(options, name):
            again += f" --{name} {','.join(some)}"
    return "\n".join([*lines, f"Again: ./run torture {again}"])


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counted.items()) or "none"
