"""Stripe's promise about repeated POSTs: the first answer given after work began is given again.

Refusals before that (validation, authentication, rate limits, conflicts) are never remembered.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.dev.sandbox import forms
from gateway.dev.sandbox.context import Sandbox, Work
from gateway.dev.sandbox.errors import ApiError

KEPT_S = 24 * 3600
_TYPE = "idempotency_error"


@dataclass(frozen=True)
class Remembered:
    status: int
    body: str
    request_id: str


class Keys:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_use: set[str] = set()

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Hold the key while its request runs; a second request with it is refused meanwhile."""
        with self._lock:
            taken = key in self._in_use
            self._in_use.add(key)
        if taken:
            raise ApiError(
                409,
                "There is currently another in-progress request using this Idempotency Key.",
                type=_TYPE,
                code="idempotency_key_in_use",
            )
        try:
            yield
        finally:
            with self._lock:
                self._in_use.discard(key)


def check(key: str) -> None:
    if len(key) > 255:
        raise ApiError(400, "Idempotency keys can be up to 255 characters long.", type=_TYPE)


def recall(sandbox: Sandbox, key: str, path: str, body: str) -> Remembered | None:
    """The first answer under this key; refuses a key that was used for something else."""
    oldest = sandbox.clock.now() - KEPT_S
    with sandbox.store.transaction() as tx:
        tx.execute("DELETE FROM idempotency WHERE created < ?", oldest)
        row = tx.execute(
            "SELECT path, fingerprint, status, body, request_id FROM idempotency WHERE key = ?", key
        ).fetchone()
    if row is None:
        return None
    if row[0] != path:
        raise ApiError(
            400,
            "Keys for idempotent requests can only be used for the same endpoint they were first"
            f" used for ('{row[0]}').",
            type=_TYPE,
        )
    if row[1] != _fingerprint(body):
        raise ApiError(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were"
            " first used with.",
            type=_TYPE,
        )
    return Remembered(*row[2:])


def remember(work: Work, key: str, path: str, body: str, answer: Remembered) -> None:
    """In the transaction of the work itself, so neither is kept without the other."""
    work.tx.execute(
        "INSERT INTO idempotency (key, path, fingerprint, status, body, request_id, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        key,
        path,
        _fingerprint(body),
        answer.status,
        answer.body,
        answer.request_id,
        work.now,
    )


def _fingerprint(body: str) -> str:
    """The order of parameters does not count; their values do."""
    return hashlib.sha256(repr(sorted(forms.pairs(body))).encode()).hexdigest()
