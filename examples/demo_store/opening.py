"""What the store sees to before it opens: where callbacks go, and how much there is to sell.

Your shop does both once, by hand or by script, and has the endpoint's secret in its environment.
Here it lives in a file of mode 0600, since the gateway shows it once. It is never printed.
"""

import json
import os
import tempfile
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import shop
from client import Gateway, Problem

DESCRIPTION = "Demo store"
RETRY_SECONDS = 0.5
MANY = 100  # endpoints: more than a merchant may have


@dataclass(frozen=True)
class Remembered:
    endpoint_id: str
    url: str
    secret: str = field(repr=False)


def load(path: Path) -> Remembered | None:
    """What the file holds; None when there is none, or nothing of use in it."""
    try:
        found = json.loads(path.read_text())
        known = Remembered(found["endpoint_id"], found["url"], found["secret"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sound = all(isinstance(value, str) and value for value in asdict(known).values())
    return known if sound else None


def save(path: Path, remembered: Remembered) -> None:
    """All or nothing, and readable by nobody else at any moment: mkstemp makes files 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(remembered), file)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Opening:
    """The store's one webhook endpoint at the gateway, and a first count of its goods."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.url = "http://127.0.0.1:8001/callbacks"
        self.memory = Path("var/store.json")
        self.waiting_for = "The shop has just started and is looking for the gateway."
        self._known: Remembered | None = None

    @property
    def secret(self) -> str | None:
        """None until the endpoint is ready."""
        return self._known.secret if self._known else None

    def run(self, stopped: threading.Event) -> None:
        """Try until it is done; the gateway may start after the shop."""
        while not stopped.is_set():
            try:
                self._count_goods()
                self._known = self.ensure()
                return
            except (Problem, OSError) as error:
                self.waiting_for = f"The shop is not open yet: {error}"
            stopped.wait(RETRY_SECONDS)

    def _count_goods(self) -> None:
        """What the gateway does not count yet; what it does has been sold from since."""
        for sku, product in shop.PRODUCTS.items():
            try:
                self.gateway.get(f"/inventory/{sku}")
            except Problem as problem:
                if problem.status != 404:
                    raise
                self.gateway.put(f"/inventory/{sku}", {"on_hand": product.pieces})

    def ensure(self) -> Remembered:
        """Keep the endpoint that file and gateway agree on; else delete ours and make a new one."""
        known = load(self.memory)
        kept = None
        for endpoint in self.gateway.get("/webhook-endpoints", limit=MANY)["data"]:
            if known and kept is None and self._agrees(known, endpoint):
                kept = known
            elif endpoint["url"] == self.url or endpoint["description"] == DESCRIPTION:
                self._delete(endpoint["id"])
        return kept or self._create()

    def _agrees(self, known: Remembered, endpoint: dict[str, Any]) -> bool:
        return (endpoint["id"], endpoint["url"], endpoint["status"], endpoint["events"]) == (
            known.endpoint_id,
            self.url,
            "enabled",
            ["*"],
        )

    def _delete(self, endpoint_id: str) -> None:
        try:
            self.gateway.delete(f"/webhook-endpoints/{endpoint_id}")
        except Problem as problem:
            if problem.status != 404:  # somebody else was faster
                raise

    def _create(self) -> Remembered:
        body = {"url": self.url, "events": ["*"], "description": DESCRIPTION}
        made = self.gateway.post("/webhook-endpoints", body)
        remembered = Remembered(made["id"], self.url, made["secret"])
        save(self.memory, remembered)
        return remembered
