"""One real payment through the whole path, as a merchant's server and a shopper would make it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from gateway.dev.seed import KEY, SECRET

CARD = {
    "card_number": "4242424242424242",
    "exp_month": "12",
    "exp_year": "2034",
    "cvc": "123",
    "email": "shopper@example.com",
}
LOOK_SECONDS = 0.1
CALLBACK_SECONDS = 30.0


class Stuck(RuntimeError):
    """A step of the path did not happen in time; the message names it."""


@dataclass(frozen=True)
class Walked:
    payment_id: str
    status: str
    checkout_url: str | None
    callback: dict[str, Any] | None  # as the store received and verified it
    behind: int = 0  # callbacks that were due before it; told if it was not heard in time

    @property
    def callback_verified(self) -> bool:
        return bool(self.callback and self.callback["verified"])


def wait_for(what: str, look: Callable[[], Any], *, seconds: float) -> Any:
    """The first true thing that `look` returns. Raises `Stuck`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except requests.RequestException:
            pass  # a process that is just starting
        time.sleep(LOOK_SECONDS)
    raise Stuck(f"{what} did not happen within {seconds:g} s")


class Walk:
    def __init__(self, gateway: str, store: str) -> None:
        self.api = f"{gateway}/api/v1"
        self.store = store
        self.http = requests.Session()
        self.http.trust_env = False
        self.merchant = {"X-Api-Key": KEY, "X-Api-Secret": SECRET}

    def pay(self, *, shopper: bool = True) -> Walked:
        """Record, open, pay, learn, hear; without a `shopper` it ends when the page is open."""
        earlier = self.callbacks_due()
        payment_id = self.create()
        url = wait_for(
            "opening the hosted page",
            lambda: self.read(payment_id)["checkout_url"],
            seconds=30,
        )
        if not shopper:
            return Walked(payment_id, self.read(payment_id)["status"], url, None)
        self.http.post(url, data=CARD, allow_redirects=False, timeout=30).raise_for_status()
        wait_for(
            "the payment's success",
            lambda: self.read(payment_id)["status"] == "succeeded",
            seconds=30,
        )
        try:
            callback = wait_for(
                "the callback", lambda: self.heard(payment_id), seconds=CALLBACK_SECONDS
            )
        except Stuck:
            if not earlier:
                raise
            return Walked(payment_id, "succeeded", url, None, behind=earlier)
        return Walked(payment_id, "succeeded", url, callback)

    def create(self) -> str:
        body = {"order_id": f"demo-{time.time_ns()}", "amount": 4999, "currency": "EUR"}
        answer = self.http.post(
            f"{self.api}/payments", json=body, headers=self.merchant, timeout=10
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    def read(self, payment_id: str) -> dict[str, Any]:
        answer = self.http.get(
            f"{self.api}/payments/{payment_id}", headers=self.merchant, timeout=10
        )
        answer.raise_for_status()
        return dict(answer.json())

    def callbacks_due(self) -> int:
        """How many are waiting for a worker; those that wait for their time are not."""
        answer = self.http.get(f"{self.api}/test/jobs/status", timeout=10)
        answer.raise_for_status()
        return int(answer.json()["queues"]["callbacks"]["pending"])

    def heard(self, payment_id: str) -> dict[str, Any] | None:
        """The callback `payment.succeeded` about this payment, as the store has it."""
        answer = self.http.get(f"{self.store}/callbacks.json", timeout=10)
        answer.raise_for_status()
        for callback in answer.json()["data"]:
            body = callback["body"]
            if body["type"] == "payment.succeeded" and body["data"]["id"] == payment_id:
                return dict(callback)
        return None
