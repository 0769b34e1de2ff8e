"""Idempotency keys: the first request with a key runs, later ones get its answer, byte for byte.

The key is claimed, the work done and the answer stored in one transaction: a crash or a refusal
leaves no key behind, and there is no second lock to expire.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.kernel.crashpoints import crashpoint
from gateway.kernel.db import Base, now
from gateway.kernel.errors import Conflict, GatewayError
from gateway.kernel.seal import seal, unseal

KEPT_DAYS = 30  # a bug shipped before a long holiday must still be safe to retry after it


class IdempotencyKeyInUse(Conflict):
    """Another request with this Idempotency-Key is being worked on: ask again in a second."""

    code, title = "idempotency_key_in_use", "This Idempotency-Key is in use right now."


class IdempotencyKeyReused(GatewayError):
    """A key stands for one request. Use a new key for a different one."""

    status, code = 422, "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request."


class IdempotencyKey(Base):
    __tablename__ = "idempotency_keys"

    merchant_id: Mapped[str] = mapped_column(primary_key=True)
    livemode: Mapped[bool] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int]
    body: Mapped[str]
    sealed: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True)
class Answer:
    """A 2xx answer as it is sent: `body` is the JSON text."""

    status: int
    body: str
    replayed: bool = False
    retry_after: int | None = None


def fingerprint(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=datetime.isoformat)
    return hashlib.sha256(text.encode()).hexdigest()


def once(
    tx: Session,
    *,
    merchant_id: str,
    livemode: bool,
    key: str,
    request: str,
    secret: bool,
    run: Callable[[], Answer],
) -> Answer:
    """The answer to the request with this fingerprint: run now, or as it was the first time.

    With `secret` the stored body is sealed. Raises `IdempotencyKeyInUse`, `IdempotencyKeyReused`.
    """
    name = f"idempotency_keys:{merchant_id}:{livemode}:{key}"
    if not tx.scalar(select(func.pg_try_advisory_xact_lock(_number(name)))):
        raise IdempotencyKeyInUse(f"A request with the key {key!r} is running.", retry_after=1)
    saved = tx.get(IdempotencyKey, (merchant_id, livemode, key))
    if saved is not None:
        if saved.fingerprint != request:
            raise IdempotencyKeyReused(
                f"The key {key!r} was used at {saved.created_at:%Y-%m-%d %H:%M} UTC with another"
                " method, path or body. Repeat that request, or use a new key."
            )
        return _again(saved, name)
    answer = run()
    crashpoint("idempotency answer before it is kept")
    tx.add(
        IdempotencyKey(
            merchant_id=merchant_id,
            livemode=livemode,
            key=key,
            fingerprint=request,
            status=answer.status,
            body=seal(answer.body, bound_to=name) if secret else answer.body,
            sealed=secret,
            created_at=now(tx),
        )
    )
    return answer


def _again(saved: IdempotencyKey, name: str) -> Answer:
    body = unseal(saved.body, bound_to=name) if saved.sealed else saved.body
    return Answer(status=saved.status, body=body, replayed=True)


def _number(name: str) -> int:
    """A signed 64-bit number for the advisory lock; two names sharing one only wait for it."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
