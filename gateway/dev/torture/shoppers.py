"""What merchants and shoppers do: one story per payment, each told from its order to its end.

A story goes on until it knows how it ended, through any trouble; it never looks inside. What the
proof has to know of it, beyond what the API shows, it writes down in `Plan`.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests

from gateway.dev.torture.client import Client, Flow, at_once
from gateway.dev.torture.receivers import Receiver
from gateway.dev.walk import CARD

DECLINED = {"card_number": "4000000000000002"}
# Each for a reason of its own, so that it can be seen which of them was told when.
REFUSED = (
    *("4000000000000002", "4000000000009995", "4000000000000069", "4000000000000127"),
    *("4000000000009987", "4000000000009979", "4000000000000119", "4000000000006975"),
)
LOOK_SECONDS = 0.3  # between two looks at what was told
FOREVER = float("inf")
FIRST_ASK, LONGEST_GAP = 40, 200  # so many looks, and then the API is asked
ENDS = ("succeeded", "failed", "expired", "cancelled", "refunded", "review")
CURRENCIES = ("EUR", "EUR", "USD", "JPY", "KWD")


@dataclass
class Plan:
    """What was meant to happen, for the proof."""

    stock: dict[str, int] = field(default_factory=dict)  # pieces that were put in, by SKU
    refused: int = 0  # orders for which there was no stock
    wrong: set[str] = field(default_factory=set)  # payments whose amount was falsified
    late: set[str] = field(default_factory=set)  # paid although another had taken their place


@dataclass
class Shop:
    """A merchant, the endpoint where it hears of its payments, and Stripe's address."""

    client: Client
    heard: Receiver
    sandbox: str
    plan: Plan
    lock: threading.Lock = field(default_factory=threading.Lock)


class Story:
    """One payment and what becomes of it; `number` makes its names, `random` its choices."""

    def __init__(self, shop: Shop, number: int, random: Random) -> None:
        self.shop, self.number, self.random = shop, number, random
        self.steps = 0
        self.payment = ""  # the present attempt
        self.doing = "begins"

    # The merchant.

    def post(self, path: str, body: Any = None, *, expect: tuple[Any, ...]) -> Flow:
        """Some are said once more though they were answered: the answer must be the same."""
        self.steps += 1
        self.doing = f"POST {path}"
        key = f"story-{self.number}-{self.steps}"
        answer = yield from self.shop.client.post(path, body, key=key, expect=expect)
        if answer.status < 300 and self.random.random() < 0.06:
            yield self.random.uniform(0, 2)
            again = (answer.status,)
            yield from self.shop.client.post(path, body, key=key, expect=again)
        return answer

    def money(self) -> dict[str, Any]:
        currency = self.random.choice(CURRENCIES)
        amount = self.random.randrange(500, 9000)
        return {"amount": amount * 10 if currency == "KWD" else amount, "currency": currency}

    def begins(self, **wanted: Any) -> Flow:
        """Order and payment; the payment as soon as it can be paid, or has ended."""
        body = {"order_id": f"order-{self.number}"} | wanted
        if "currency" not in body and "stock" not in body:
            body |= self.money()
        body.pop("stock", None)
        made = yield from self.post("payments", body, expect=(201,))
        self.payment = made.json["id"]
        return (yield from self.until("requires_action", *ENDS))

    def until(self, *statuses: str, payment: str = "", seconds: float = FOREVER) -> Flow:
        """The payment in one of these; heard by callbacks, and asked for now and then. None if it
        takes longer than that.
        """
        payment = payment or self.payment
        self.doing = f"waits for {payment} to be {'|'.join(statuses)}"
        deadline = time.monotonic() + seconds
        looks, gap = self.random.randrange(FIRST_ASK // 2), FIRST_ASK
        while time.monotonic() < deadline:
            _, data = self.shop.heard.latest.get(payment, (0, {}))
            if data.get("status") in statuses:
                return data
            looks += 1
            if looks >= gap:
                looks, gap = 0, min(2 * gap, LONGEST_GAP)
                answer = yield from self.shop.client.get(f"payments/{payment}")
                if answer.json.get("status") in statuses:
                    return answer.json
            yield LOOK_SECONDS
        return None

    def refunds(self, amount: int | None = None) -> Flow:
        body = {} if amount is None else {"amount": amount}
        expect = (201, "refund_exceeds_captured")
        return (yield from self.post(f"payments/{self.payment}/refunds", body, expect=expect))

    def cancels(self, *also: str) -> Flow:
        expect = (202, 200, *also)
        return (yield from self.post(f"payments/{self.payment}/cancel", expect=expect))

    def cancels_order(self, name: str = "") -> Flow:
        path = f"orders/{name or f'order-{self.number}'}/cancel"
        return (yield from self.post(path, {"reason": "torture"}, expect=(202, 200)))

    # The shopper.

    def pays(self, shown: dict[str, Any], **form: str) -> Flow:
        """Fills in the page, again if it did not answer; the status of its answer."""
        url = shown.get("checkout_url")
        if not url:  # closed, or paid, before anybody saw it
            return 0
        yield self.random.uniform(0, 0.8)
        return (yield from self.submits(url, CARD | form))

    def submits(self, url: str, form: dict[str, str]) -> Flow:
        self.doing = f"pays at {url}"
        while True:
            try:
                answer = requests.post(url, data=form, allow_redirects=False, timeout=10)
            except requests.RequestException:
                yield 0.3
                continue
            if answer.status_code < 500:
                return answer.status_code
            yield 0.3

    def lever(self, shown: dict[str, Any], **wishes: Any) -> Flow:
        """Completes the payment's session by force; the status of Stripe's answer."""
        session = str(shown["checkout_url"]).rpartition("/")[2]
        url = f"{self.shop.sandbox}/_sandbox/sessions/{session}/complete"
        self.doing = f"forces {session}"
        while True:
            try:
                return requests.post(url, json=wishes, timeout=10).status_code
            except requests.RequestException:
                yield 0.3

    def completion(self, shown: dict[str, Any]) -> Flow:
        """The id of Stripe's event that the payment's session was completed."""
        session = str(shown["checkout_url"]).rpartition("/")[2]
        url, key = f"{self.shop.sandbox}/v1/events", {"Authorization": "Bearer sk_test_torture"}
        query = {"type": "checkout.session.completed", "limit": "100"}
        while True:
            with suppress(requests.RequestException):
                answer = requests.get(url, params=query, headers=key, timeout=10)
                every = answer.json().get("data", []) if answer.ok else []
                for event in every:
                    if event["data"]["object"]["id"] == session:
                        return event["id"]
            yield 0.3

    def resends(self, event_id: str) -> None:
        url = f"{self.shop.sandbox}/_sandbox/webhooks/resend"
        with suppress(requests.RequestException):
            requests.post(url, json={"event_id": event_id}, timeout=10)

    def both(self, *flows: Flow) -> list[Any]:
        return at_once(*flows)

    def part(self, payment: dict[str, Any]) -> int:
        """Less than all of it, such as its currency has."""
        step = 10 if payment["currency"] == "KWD" else 1
        return max(step, int(payment["amount"] * self.random.uniform(0.2, 0.6)) // step * step)


Telling = Callable[[Story], Flow]
