"""Everybody's hands: merchant, shopper, Stripe, the gateway's processes and the clock.

A story is told with these, through the real API and the real tasks. They look up what they need
and decide nothing; nobody here writes the gateway's rows by hand, but for the clock's offset.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import stripe as sdk

from gateway.dev.sandbox.store import Object
from gateway.dev.seed import KEY, SECRET
from gateway.dev.torture.stage import Stage
from gateway.dev.torture.stripe_side import CARD, GOOD
from gateway.kernel import crashpoints
from gateway.kernel.crashpoints import Crash
from gateway.settings import settings
from workers.app import app
from workers.relay import Hint, Relay

HEADERS = {"X-Api-Key": KEY, "X-Api-Secret": SECRET}
SKU, PRICE, PIECES = "cup", 2000, 3
MINUTE, POLL, DAY = 61, 601, 86400  # a lease, the poll and a session's day are over then

Choose = Callable[[list[Hint]], list[Hint]]


class World:
    """`facts` are what the merchant's server remembers: its order, its payments by attempt."""

    def __init__(self, stage: Stage, facts: dict[str, Any] | None = None) -> None:
        self.stage, self.client, self.stripe = stage, stage.client, stage.stripe
        self.facts = facts or {"order": "", "payments": []}

    # The merchant.

    def api(self, method: str, path: str, **body: Any) -> Any:
        answer = self.client.open(f"/api/v1/{path}", method=method, json=body, headers=HEADERS)
        assert answer.status_code < 300, answer.text
        return answer.json

    def orders(self, **payment: Any) -> None:
        """A shopper wants one of three cups, and is to pay for it."""
        self.stocks(PIECES)
        items = [{"sku": SKU, "name": "Cup", "quantity": 1, "unit_amount": PRICE}]
        self.facts["order"] = self.api("POST", "orders", currency="EUR", items=items)["id"]
        made = self.api("POST", "payments", order_id=self.facts["order"], **payment)
        self.facts["payments"].append(made["id"])
        self.works("payments.submit")

    def stocks(self, pieces: int) -> None:
        self.api("PUT", f"inventory/{SKU}", on_hand=pieces)

    def captures(self, amount: int | None = None) -> None:
        body = {} if amount is None else {"amount": amount}
        self.api("POST", f"payments/{self.payment()}/capture", **body)

    def refunds(self, amount: int) -> None:
        self.api("POST", f"payments/{self.payment()}/refunds", amount=amount)

    def cancels(self) -> None:
        self.api("POST", f"payments/{self.payment()}/cancel")

    def cancels_order(self) -> None:
        self.api("POST", f"orders/{self.facts['order']}/cancel")

    def retries(self) -> None:
        made = self.api("POST", f"payments/{self.payment()}/retry")
        self.facts["payments"].append(made["id"])

    def payment(self, attempt: int = 0) -> str:
        """The id of an attempt, of the newest if none is named."""
        return str(self.facts["payments"][attempt - 1])

    # The shopper.

    def pays(self, card: str = GOOD, **form: str) -> None:
        self.stripe.shopper(self._session()["id"], **CARD | {"card_number": card} | form)

    def proves_herself(self) -> None:
        self.stripe.shopper(self._session()["id"], three_ds="complete")

    # Stripe, and who uses its dashboard.

    def forces(self, attempt: int = 0) -> None:
        """A page that was closed is paid all the same."""
        self.stripe.lever(f"sessions/{self._session(attempt)['id']}/complete", force=True)

    def decides(self, status: str) -> None:
        intent = self._session()["payment_intent"]
        self.stripe.lever(f"payment_intents/{intent}", status=status)

    def refunds_elsewhere(self, amount: int) -> None:
        intent = self._session()["payment_intent"]
        self.stripe.api("refunds", payment_intent=intent, amount=str(amount))

    def sends_refund_back(self) -> None:
        refund = self.stripe.all("refund")[-1]["id"]
        self.stripe.lever(f"refunds/{refund}", status="failed", failure_reason="declined")

    def disputes(self) -> None:
        self.stripe.lever("disputes", payment_intent=self._session()["payment_intent"])

    def rules(self, status: str) -> None:
        self.stripe.lever(f"disputes/{self.stripe.all('dispute')[-1]['id']}", status=status)

    def _session(self, attempt: int = 0) -> Object:
        mine = self.payment(attempt)
        sessions = self.stripe.all("checkout.session")
        return next(each for each in sessions if each["client_reference_id"] == mine)

    def tells(self, event: Object) -> None:
        """Deliver an event as Stripe does."""
        raw = json.dumps(event)
        secret = settings().stripe_webhook_secrets[0]
        header = sdk.WebhookSignature.generate_signature_header(raw, secret)
        answer = self.client.post(
            "/webhooks/stripe", data=raw, headers={"Stripe-Signature": header}
        )
        assert answer.status_code == 200, answer.text

    # The processes and the clock.

    def works(self, only: str = "") -> None:
        """What is due is done, relay and tasks in turn, until there is nothing more of it."""
        for _ in range(50):
            if not self.turn(lambda due: [hint for hint in due if hint[0].startswith(only)]):
                return
        raise AssertionError("it never came to rest")

    def turn(self, choose: Choose) -> list[str]:
        """The relay's look at what is due, and the tasks that `choose` takes of it."""
        if not self.stage.is_owed():
            return []
        relay = Relay(_nobody)
        relay.looked_overdue = time.monotonic()  # jobs start when a story starts them
        chosen = choose(relay.due())
        for name, subject, _ in chosen:
            app.tasks[name](subject)
        return [name for name, _, _ in chosen]

    def dies(self, at: str, only: str = "") -> None:
        """As `works`, but the worker dies at this crash point, and what it held stays leased."""

        def hook(name: str) -> None:
            if name == at:
                raise Crash(name)

        crashpoints.arm(hook)
        try:
            self.works(only)
        except Crash:
            return
        finally:
            crashpoints.arm(None)
        raise AssertionError(f"nobody came past {at!r}")

    def looks(self) -> None:
        """Without any news the gateway asks Stripe itself, as soon as its poll is due."""
        self.passes(POLL)
        self.works()

    def passes(self, seconds: float) -> None:
        """Time, for the gateway as for Stripe."""
        self.stage.advance(seconds)


def _nobody(_: list[Hint]) -> None:
    """The hints are taken from the relay's hand, so there is no broker."""
