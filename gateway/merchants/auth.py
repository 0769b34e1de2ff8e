"""Who is calling: `X-Api-Key` with `X-Api-Secret`, or the same pair as HTTP Basic.

Compares hashes, as bytes, in constant time, and also for keys that do not exist. The last use of
a key is kept in memory and written once a minute, never in the request.
"""

import atexit
import hmac
import re
import threading
from datetime import UTC, datetime
from typing import Any

from flask import request
from sqlalchemy import bindparam, func, select
from sqlalchemy import update as bulk_update  # noqa: TID251 - bookkeeping, not a change of state
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.kernel.db import remember_now, transaction
from gateway.kernel.errors import Forbidden, Unauthenticated
from gateway.kernel.http import Caller
from gateway.merchants.models import ApiKey
from gateway.merchants.schemas import KEY
from gateway.merchants.service import hash_secret

FLUSH_SECONDS = 60
_KEY = re.compile(KEY)
# Every request begins with this one: built once, past the ORM, and it reads the clock along.
_KEYS: Any = ApiKey.__table__
_KNOWN = select(_KEYS, func.gateway_now().label("now")).where(_KEYS.c.key == bindparam("key"))
_NO_HASH = b"\0" * 32


class SecretRequired(Forbidden):
    """A key alone is publishable and opens only the checkout calls. Send `X-Api-Secret` too, from
    your server, never from a browser.
    """

    code, title = "secret_required", "This call needs the key's secret."


def by_secret(tx: Session) -> Caller:
    """The caller, if the request carries a key and its secret."""
    key, secret = _credentials()
    row = _known(tx, key) if _KEY.fullmatch(key) else None
    if secret is None:
        if row is None or row.revoked_at:
            raise Unauthenticated(
                "Send X-Api-Key and X-Api-Secret; this key is missing or unknown."
            )
        raise SecretRequired(f"{key} came without X-Api-Secret.")
    known = row.secret_hash if row is not None else _NO_HASH
    matches = hmac.compare_digest(hash_secret(secret), known)
    if row is None or row.revoked_at or not matches:
        raise Unauthenticated("The key is unknown or revoked, or the secret is not its own.")
    last_used.note(row.id)
    return Caller(merchant_id=row.merchant_id, livemode=row.livemode, key_id=row.id)


def _known(tx: Session, key: str) -> Any:
    row = tx.connection().execute(_KNOWN, {"key": key}).one_or_none()
    if row is not None:
        remember_now(tx, row.now)
    return row


def _credentials() -> tuple[str, str | None]:
    """(key, secret); the secret is None when no secret was sent at all."""
    if "X-Api-Key" in request.headers:
        return request.headers["X-Api-Key"], request.headers.get("X-Api-Secret")
    try:
        basic = request.authorization
    except ValueError:  # the framework cannot decode bytes beyond ASCII
        return "", None
    if basic is not None and basic.type == "basic":
        return basic.username or "", basic.password or ""
    return "", None


class LastUsed:
    """When each key was last used, until the next flush."""

    def __init__(self) -> None:
        self._times: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, key_id: str) -> None:
        with self._lock:
            self._times[key_id] = datetime.now(UTC)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="last-used")
                self._thread.start()
                atexit.register(self.flush)

    def flush(self) -> None:
        """Write what was noted. What the database cannot take now is dropped: it is only a hint."""
        with self._lock:
            times, self._times = self._times, {}
        if not times:
            return
        try:
            with transaction(actor="api:last-used") as tx:
                for key_id, at in sorted(times.items()):
                    tx.execute(
                        bulk_update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=at)
                    )
        except SQLAlchemyError:
            return

    def _run(self) -> None:
        while not threading.Event().wait(FLUSH_SECONDS):
            self.flush()


last_used = LastUsed()
