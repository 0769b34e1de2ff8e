"""What is known of a run from outside, once it is quiet; `proof` judges it, and nothing here does.

Read through the public API, Stripe's own side, the receivers' logs and the operator's command.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import requests

from gateway.dev.torture.client import Acked, Client, Ledger
from gateway.dev.torture.ground import Ground
from gateway.dev.torture.receivers import Got, Receiver
from gateway.dev.torture.shoppers import Plan, Shop

Resource = dict[str, Any]
PEEKS = 12  # of each kind of resource, by who should not see it
REPEATS = 30  # of each merchant's requests, at the end


@dataclass
class Heard:
    """What one endpoint got. `since` is the number of the event with which it began."""

    since: int
    got: dict[str, Got]
    wrong: list[str] = field(default_factory=list)
    types: tuple[str, ...] = ("*",)

    def may_get(self, event: Resource) -> bool:
        return "*" in self.types or event["type"] in self.types

    def is_owed(self, event: Resource) -> bool:
        return self.may_get(event) and bool(event["sequence"] > self.since)


@dataclass
class Side:
    """All that one merchant can see, and was told."""

    payments: list[Resource] = field(default_factory=list)
    orders: list[Resource] = field(default_factory=list)
    refunds: dict[str, Resource] = field(default_factory=dict)
    captures: dict[str, Resource] = field(default_factory=dict)
    events: list[Resource] = field(default_factory=list)
    unsent: list[Resource] = field(default_factory=list)  # deliveries that did not arrive
    inventory: list[Resource] = field(default_factory=list)
    heard: dict[str, Heard] = field(default_factory=dict)  # by endpoint
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True)
class Peek:
    """A merchant's look at what is another's."""

    path: str
    status: int


@dataclass
class Facts:
    sides: dict[str, Side] = field(default_factory=dict)
    acked: dict[str, list[Acked]] = field(default_factory=dict)  # by side
    strange: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    stripe: list[Resource] = field(default_factory=list)  # its sessions, with their money
    declines: dict[str, list[str]] = field(default_factory=dict)  # by payment, why, in order
    peeks: list[Peek] = field(default_factory=list)
    jobs: Resource = field(default_factory=dict)
    ready: Resource = field(default_factory=dict)
    commands: dict[str, tuple[int, Resource, str]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)  # what never came to an end
    broken: list[str] = field(default_factory=list)  # stories that the harness told wrongly


def gather(
    ground: Ground, shops: dict[str, Shop], receivers: dict[str, Receiver], ledger: Ledger
) -> Facts:
    """`receivers` are named after their shop, with a number behind it."""
    state = requests.get(f"{ground.sandbox}/_sandbox/state", timeout=60).json()
    facts = Facts(stripe=state["sessions"], strange=ledger.strange, differing=ledger.differing)
    facts.declines = _declines(ground, state["sessions"])
    for name, shop in shops.items():
        acked = [each for each in ledger.acked if each.merchant == shop.client.merchant]
        for each in acked[:: max(1, len(acked) // REPEATS)]:
            shop.client.repeat(each)
        facts.acked[name] = acked
        facts.sides[name] = _side(shop, acked)
        for receiver in receivers.values():
            if receiver.name.startswith(name):
                since = _born(facts.sides[name].events, receiver.name)
                heard = Heard(since, receiver.got, receiver.wrong, receiver.types)
                facts.sides[name].heard[receiver.name] = heard
    ours, theirs = facts.sides["ours"], facts.sides["theirs"]
    facts.peeks = [*_peek(shops["theirs"].client, ours), *_peek(shops["ours"].client, theirs)]
    facts.jobs = requests.get(f"{ground.web}/api/v1/test/jobs/status", timeout=10).json()
    facts.ready = requests.get(f"{ground.web}/readyz", timeout=10).json()
    return facts


def _declines(ground: Ground, sessions: list[Resource]) -> dict[str, list[str]]:
    """Stripe's reasons, the oldest first."""
    charges = requests.get(f"{ground.sandbox}/_sandbox/charges", timeout=60).json()
    payment_of = {each["payment_intent"]: each["client_reference_id"] for each in sessions}
    found: dict[str, list[str]] = {}
    for charge in reversed(charges):
        if charge["status"] == "failed" and charge["payment_intent"] in payment_of:
            why = found.setdefault(payment_of[charge["payment_intent"]], [])
            why.append(charge["outcome"]["reason"] or charge["failure_code"])
    return found


def _side(shop: Shop, acked: list[Acked]) -> Side:
    client = shop.client
    side = Side(
        payments=client.everything("payments"),
        orders=client.everything("orders"),
        events=client.feed(),
        inventory=client.look("inventory").json["data"],
        plan=shop.plan,
    )
    for status in ("pending", "exhausted"):
        side.unsent += client.look("webhook-deliveries", status=status, limit=100).json["data"]
    for kind, found in (("refund", side.refunds), ("capture", side.captures)):
        told = {each["data"]["id"] for each in side.events if each["type"].startswith(f"{kind}.")}
        said = {each.answer.json["id"] for each in acked if f"/{kind}" in each.path}
        for id in told | said:
            answer = client.look(f"{kind}s/{id}")
            if answer.status == 200:
                found[id] = answer.json
    return side


def _born(events: list[Resource], receiver: str) -> int:
    """The number of the event that tells of the endpoint itself."""
    for event in events:
        if event["type"] == "endpoint.created" and event["data"]["url"].endswith(f"/{receiver}"):
            return int(event["sequence"])
    return 0


def _peek(stranger: Client, side: Side) -> Iterable[Peek]:
    """What a merchant finds under another's ids."""
    endpoints = [e["data"]["id"] for e in side.events if e["type"] == "endpoint.created"]
    ids = {
        "payments": [each["id"] for each in side.payments],
        "orders": [each[name] for each in side.orders for name in ("id", "reference")],
        "refunds": list(side.refunds),
        "captures": list(side.captures),
        "events": [each["id"] for each in side.events],
        "webhook-endpoints": endpoints,
    }
    for kind, every in ids.items():
        for id in every[:PEEKS]:
            yield Peek(f"GET {kind}/{id}", stranger.look(f"{kind}/{id}").status)
    for payment in side.payments[:PEEKS]:
        found = stranger.look(f"payments/{payment['id']}/refunds")
        yield Peek(f"GET payments/{payment['id']}/refunds", found.status)
        listed = stranger.look("payments", order_id=payment["order_id"])
        seen = 200 if listed.status == 200 and listed.json["data"] else 404
        yield Peek(f"GET payments?order_id={payment['order_id']}", seen)
        for verb in ("cancel", "refunds"):
            path = f"payments/{payment['id']}/{verb}"
            yield Peek(f"POST {path}", stranger.try_post(path).status)


def operators(ground: Ground) -> dict[str, tuple[int, Resource, str]]:
    """What the operator's commands find, once reconciliation has repaired what it can."""
    found = {"reconcile": ground.operate("reconcile")}
    if found["reconcile"][0] == 0:
        found["reconcile"] = ground.operate("reconcile")
    found["discrepancies"] = ground.operate("discrepancies", "--status", "open")
    found["doctor"] = ground.operate("doctor")
    return found
