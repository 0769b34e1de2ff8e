"""Makes sure the gateway sends its callbacks here, and remembers the secret that verifies them.

The secret is shown once, so it lives in a file of mode 0600. It is never printed.
"""

import json
import os
import tempfile
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway.dev.store.client import Gateway, Problem, Unreachable, segment

DESCRIPTION = "Demo store"
RETRY_SECONDS = 0.5
MANY = 100  # more than a merchant may have


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
    return known if all(isinstance(value, str) for value in asdict(known).values()) else None


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


class Registration:
    """The shop's one webhook endpoint at the gateway."""

    def __init__(self, gateway: Gateway, *, url: str, memory: Path) -> None:
        self.gateway = gateway
        self.url = url
        self.memory = memory
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
                self._known = self.ensure()
                return
            except (Problem, Unreachable, OSError) as error:
                self.waiting_for = f"The webhook endpoint is not ready: {error}"
            stopped.wait(RETRY_SECONDS)

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
            self.gateway.delete(f"/webhook-endpoints/{segment(endpoint_id)}")
        except Problem as problem:
            if problem.status != 404:  # somebody else was faster
                raise

    def _create(self) -> Remembered:
        body = {"url": self.url, "events": ["*"], "description": DESCRIPTION}
        made = self.gateway.post("/webhook-endpoints", body)
        remembered = Remembered(made["id"], self.url, made["secret"])
        save(self.memory, remembered)
        return remembered
