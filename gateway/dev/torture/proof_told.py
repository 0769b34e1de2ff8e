"""Was everything that happened told: once in the feed, and to every endpoint, signed, unchanged?"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator

from gateway.dev.torture.facts import Facts, Resource, Side
from gateway.dev.torture.proof import Violation

# These may be told more than once about the same thing.
REPEATED = ("updated", "attempt_declined", "amount_refunded", "tested", "enabled", "disabled")
FIGURES = ("status", "amount", "amount_captured", "amount_refunded", "checkout_url", "failure")


def sequences(facts: Facts) -> Iterator[Violation]:
    """The feed counts 1, 2, 3; of what it asked for an endpoint has every number."""
    for name, side in facts.sides.items():
        numbers = [each["sequence"] for each in side.events]
        if numbers != list(range(1, len(numbers) + 1)):
            odd = next(at for at, number in enumerate(numbers, 1) if at != number)
            yield Violation("sequences", f"{name}'s feed", f"{odd}", str(numbers[odd - 1]))
        for endpoint, heard in side.heard.items():
            got = {each.sequence for each in heard.got.values()}
            owed = {each["sequence"] for each in filter(heard.is_owed, side.events)}
            missing = sorted(owed - got)
            if missing:
                found = f"{len(missing)} missing, the first {missing[0]}"
                yield Violation("sequences", endpoint, "no gap", found)


def callbacks(facts: Facts) -> Iterator[Violation]:
    """Each event arrived and was accepted; and nothing arrived that is no event."""
    for side in facts.sides.values():
        for endpoint, heard in side.heard.items():
            for event in filter(heard.is_owed, side.events):
                got = heard.got.get(event["id"])
                if got is None or not got.accepted:
                    attempts = got.attempts if got else 0
                    subject = f"{event['id']} {event['type']} to {endpoint}"
                    yield Violation("callbacks", subject, "accepted once", f"{attempts} attempts")
            for id in set(heard.got) - {each["id"] for each in filter(heard.may_get, side.events)}:
                subject = f"{id} to {endpoint}"
                yield Violation("callbacks", subject, "an event it asked for", "another")
        for delivery in side.unsent:
            yield Violation("callbacks", delivery["id"], "delivered", delivery["status"])


def signatures(facts: Facts) -> Iterator[Violation]:
    for side in facts.sides.values():
        for endpoint, heard in side.heard.items():
            for words in heard.wrong:
                yield Violation("signatures", endpoint, "signed, the same bytes each time", words)


def contents(facts: Facts) -> Iterator[Violation]:
    """What arrived says, byte for byte, what the feed says."""
    for side in facts.sides.values():
        for event in side.events:
            digest = _digest(event)
            for endpoint, heard in side.heard.items():
                got = heard.got.get(event["id"])
                if got is not None and got.digest != digest:
                    yield Violation("contents", f"{event['id']} to {endpoint}", "the feed's", "not")


def _digest(event: Resource) -> str:
    content = {name: event[name] for name in ("type", "timestamp", "sequence", "data")}
    body = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(body.encode()).hexdigest()


def events(facts: Facts) -> Iterator[Violation]:
    """Each status that is shown was told, once; and the last that was told is what is shown."""
    for side in facts.sides.values():
        told = Counter[tuple[str, str]]()
        last: dict[str, Resource] = {}
        for event in side.events:
            told[event["data"]["id"], event["type"]] += 1
            if event["type"].partition(".")[0] in ("payment", "order", "refund", "capture"):
                last[event["data"]["id"]] = event["data"]
        for (id, type), count in told.items():
            if count > 1 and type.partition(".")[2] not in REPEATED:
                yield Violation("events", f"{id} {type}", "told once", f"{count} times")
        yield from _shown(side, told, last)


def _shown(
    side: Side, told: Counter[tuple[str, str]], last: dict[str, Resource]
) -> Iterator[Violation]:
    kinds = {
        "payment": side.payments,
        "order": side.orders,
        "refund": side.refunds.values(),
        "capture": side.captures.values(),
    }
    for kind, rows in kinds.items():
        for row in rows:
            first = row["status"] in ("pending", "created")
            type = f"{kind}.{'created' if first else row['status']}"
            if not told[row["id"], type]:
                yield Violation("events", row["id"], f"an event {type}", "none")
            said = last.get(row["id"], {})
            for field in FIGURES:
                if row.get(field) != said.get(field):
                    subject, found = f"{row['id']} {field}", f"{said.get(field)} was told last"
                    yield Violation("events", subject, str(row.get(field)), found)


def declines(facts: Facts) -> Iterator[Violation]:
    """What is told of a payment's declines has happened, in that order, each once. One that was
    followed quickly by another may go untold.
    """
    for side in facts.sides.values():
        told = defaultdict[str, list[str]](list)
        for event in side.events:
            if event["type"] == "payment.attempt_declined":
                told[event["data"]["id"]].append(event["data"]["failure"]["code"])
        for id, reasons in told.items():
            happened = iter(facts.declines.get(id, ()))
            if not all(reason in happened for reason in reasons):
                expected = f"some of {facts.declines.get(id, [])}"
                yield Violation("declines", id, expected, f"{reasons} were told")


TOLD_CHECKS = (sequences, callbacks, signatures, contents, events, declines)
