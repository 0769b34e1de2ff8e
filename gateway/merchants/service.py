"""Merchants and their keys. A secret leaves this module once, when its key is made."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.kernel.db import lock, now
from gateway.kernel.errors import Conflict, NotFound
from gateway.kernel.ids import new_id
from gateway.kernel.seal import derive, seal
from gateway.merchants.models import ApiKey, Merchant, result_row

RESULT = b"checkout-result"  # merchants write it down as well: it never changes


class MerchantExists(Conflict):
    """Merchants are told apart by name."""

    code, title = "merchant_exists", "A merchant has this name already."


@dataclass(frozen=True)
class NewKey:
    """A key with its secret, which cannot be shown again."""

    id: str
    key: str
    secret: str
    livemode: bool


def hash_secret(secret: str) -> bytes:
    """HMAC-SHA-256 under the pepper: secrets are long and random, so a slow hash buys nothing."""
    return hmac.digest(derive("api-keys"), secret.encode("utf-8", "surrogateescape"), "sha256")


def result_key(secret: str) -> bytes:
    """The key of results, which a merchant makes of the secret as we do."""
    return hmac.digest(secret.encode(), RESULT, "sha256")


def create(tx: Session, *, name: str) -> Merchant:
    if tx.scalar(select(Merchant).filter_by(name=name)):
        raise MerchantExists(f"There is a merchant named {name!r}; choose another name.")
    merchant = Merchant(id=new_id("mer"), name=name, allowed_origins=[], created_at=now(tx))
    tx.add(merchant)
    tx.flush()
    return merchant


def get(tx: Session, merchant_id: str) -> Merchant:
    merchant = tx.get(Merchant, merchant_id)
    if merchant is None:
        raise NotFound(f"There is no merchant {merchant_id}.")
    return merchant


def change(tx: Session, merchant_id: str, changes: dict[str, Any]) -> Merchant:
    merchant = lock(tx, Merchant, merchant_id)
    for field, value in changes.items():
        setattr(merchant, field, value)
    return merchant


def create_key(
    tx: Session, merchant: Merchant, *, livemode: bool, name: str | None = None, pair: str = ""
) -> NewKey:
    """Make a key. `pair` (`key:secret`) fixes both, for the demo's well-known test key."""
    mode = "live" if livemode else "test"
    random = f"key_{mode}_{secrets.token_hex(12)}:secret_{mode}_{secrets.token_urlsafe(32)}"
    key, _, secret = (pair or random).partition(":")
    id = new_id("key")
    row = ApiKey(
        id=id,
        key=key,
        secret_hash=hash_secret(secret),
        sealed_result_key=seal(result_key(secret).hex(), bound_to=result_row(id)),
        merchant_id=merchant.id,
        livemode=livemode,
        name=name,
        created_at=now(tx),
    )
    tx.add(row)
    tx.flush()
    return NewKey(id=row.id, key=key, secret=secret, livemode=livemode)


def revoke_key(tx: Session, key: str) -> ApiKey:
    """Takes a key or its id. From the commit on it opens nothing."""
    row = tx.scalar(select(ApiKey).where((ApiKey.key == key) | (ApiKey.id == key)))
    if row is None:
        raise NotFound(f"There is no key {key}.")
    row.revoked_at = row.revoked_at or now(tx)
    return row
