"""Do the facts of a run prove the promises? Pure: facts in, violations out; each has its check.

`CHECKS` lists those of the whole; the money, and what was told, have files of their own.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gateway.dev.torture.facts import Facts, Resource, Side

LIVE = ("pending", "requires_action", "processing", "authorized")
UNPAID = ("created", "payment_in_progress")


class Violation(NamedTuple):
    check: str
    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: expected {self.expected}, found {self.found}"


def by_id(resources: Iterable[Resource]) -> dict[str, Resource]:
    return {each["id"]: each for each in resources}


def quiet(facts: Facts) -> Iterator[Violation]:
    """Everything came to its end in time."""
    for words in facts.left:
        yield Violation("quiet", words, "to end", "it did not")
    for words in facts.broken:
        yield Violation("harness", words, "a story that can be told", "an error in its telling")


def answered(facts: Facts) -> Iterator[Violation]:
    for words in facts.strange:
        yield Violation("answered", words, "an answer from the contract", "this")


def replays(facts: Facts) -> Iterator[Violation]:
    for words in facts.differing:
        yield Violation("replays", words, "the first answer again", "another")


def kept(facts: Facts) -> Iterator[Violation]:
    """What was accepted is there, as it was accepted."""
    for name, side in facts.sides.items():
        payments, orders = by_id(side.payments), by_id(side.orders)
        for acked in facts.acked.get(name, ()):
            said, last = acked.answer.json, acked.path.rpartition("/")[2]
            kind = said.get("id", "").partition("_")[0]
            every = {"pay": payments, "ord": orders, "ref": side.refunds, "cap": side.captures}
            if kind not in every:
                continue
            there = every[kind].get(said["id"])
            if there is None:
                yield Violation("kept", said["id"], f"what POST {acked.path} answered", "nothing")
                continue
            for field in ("amount", "currency", "order_id", "payment_id"):
                if said.get(field) != there.get(field):
                    subject = f"{said['id']} {field}"
                    yield Violation("kept", subject, str(said.get(field)), str(there.get(field)))
            if last == "cancel" and kind == "ord" and there["status"] != "cancelled":
                yield Violation("kept", said["id"], "cancelled, as was asked", there["status"])


def ended(facts: Facts) -> Iterator[Violation]:
    """Nothing is under way any more, but for what waits for an operator."""
    for side in facts.sides.values():
        reviewed = {each["order_id"] for each in side.payments if each["status"] == "review"}
        for payment in side.payments:
            if payment["status"] in LIVE:
                yield Violation("ended", payment["id"], "an end", payment["status"])
        for order in side.orders:
            if order["status"] in UNPAID and order["id"] not in reviewed:
                yield Violation("ended", order["id"], "an end", order["status"])
        for movement in (*side.refunds.values(), *side.captures.values()):
            if movement["status"] == "pending":
                yield Violation("ended", movement["id"], "an end", "pending")


def stock(facts: Facts) -> Iterator[Violation]:
    """What was put in is there, or in a paid order; nothing is reserved for nobody."""
    for side in facts.sides.values():
        there = {each["sku"]: each for each in side.inventory}
        for sku, put_in in side.plan.stock.items():
            sold = _sold(side, sku)
            row = there.get(sku, {"on_hand": None, "reserved": None})
            if row["on_hand"] is None or row["on_hand"] + sold != put_in or row["on_hand"] < 0:
                found = f"{row['on_hand']} on hand and {sold} sold"
                yield Violation("stock", sku, f"{put_in} in all", found)
            if row["reserved"] != 0:
                yield Violation("stock", sku, "nothing reserved", str(row["reserved"]))


def _sold(side: Side, sku: str) -> int:
    paid = [each for each in side.orders if each["status"] in ("payment_done", "packaging")]
    items = (item for order in paid for item in order["items"] or ())
    return sum(item["quantity"] for item in items if item.get("sku") == sku)


def owed(facts: Facts) -> Iterator[Violation]:
    for queue, counts in facts.jobs.get("queues", {}).items():
        due = counts["pending"] + counts["processing"]
        if due:
            yield Violation("owed", queue, "nothing due", f"{due} due or under way")
    if facts.jobs.get("worker_status") != "running":
        yield Violation("owed", "workers", "running", str(facts.jobs.get("worker_status")))


def attention(facts: Facts) -> Iterator[Violation]:
    """Nothing, but for the amounts that we have falsified ourselves."""
    checks: dict[str, Any] = facts.ready.get("checks", {})
    meant = {"payment": sum(len(side.plan.wrong) for side in facts.sides.values())}
    counts = checks.get("attention", {}).get("needs_attention", {"readyz": "no answer"})
    for kind, count in counts.items():
        if count != meant.get(kind, 0):
            yield Violation("attention", kind, str(meant.get(kind, 0)), str(count))
    for name, check in checks.items():
        if name not in ("attention", "reconciliation") and not check.get("ok"):
            yield Violation("attention", f"readyz {name}", "ok", str(check))


def tenants(facts: Facts) -> Iterator[Violation]:
    """Nobody sees, or is told of, what is another's."""
    for peek in facts.peeks:
        if peek.status != 404:
            yield Violation("tenants", peek.path, "404 for another merchant", str(peek.status))
    names = list(facts.sides)
    for name in names:
        others = [facts.sides[each] for each in names if each != name]
        side = facts.sides[name]
        for kind in ("payments", "orders", "events"):
            mine = {each["id"] for each in getattr(side, kind)}
            for other in others:
                for id in mine & {each["id"] for each in getattr(other, kind)}:
                    yield Violation("tenants", id, f"one merchant in its {kind}", "two")
        told = {id for heard in side.heard.values() for id in heard.got}
        for other in others:
            for id in told & {each["id"] for each in other.events}:
                yield Violation("tenants", id, f"no callback to {name}", "one")


def commands(facts: Facts) -> Iterator[Violation]:
    """What the operator would be told."""
    for name, (code, result, said) in facts.commands.items():
        if code != 0:
            shown = result.get("broken") or result.get("error") or said
            yield Violation(name, "its last run", "exit 0", f"exit {code}: {shown}")


def drift(facts: Facts) -> Iterator[Violation]:
    """After a run that has mended what it could a second one finds nothing, and nothing is open but
    what an operator is to decide anyway.
    """
    _, again, _ = facts.commands.get("reconcile", (0, {}, ""))
    for item in again.get("items", ()):
        yield Violation("drift", item["subject"], "equal books", item["reason"])
    reviewed = {
        each["id"]
        for side in facts.sides.values()
        for each in side.payments
        if each["status"] == "review"
    }
    _, listed, _ = facts.commands.get("discrepancies", (0, {}, ""))
    for row in listed.get("data", ()):
        if row["payment_id"] not in reviewed:
            yield Violation("drift", row["subject"], "equal books", row["reason"])


CHECKS = (
    *(quiet, answered, replays, kept, ended),
    *(stock, owed, attention, tenants, commands, drift),
)
