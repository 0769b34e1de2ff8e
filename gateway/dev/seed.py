"""The demo's merchant, with the key that the documentation uses. Never in production."""

from dataclasses import dataclass

from sqlalchemy import select

from gateway.kernel.db import transaction
from gateway.kernel.errors import Forbidden
from gateway.merchants import service
from gateway.merchants.models import Merchant
from gateway.settings import settings

MERCHANT = "Demo Store"
KEY, SECRET = "key_test_abc123", "secret_test_xyz789"


@dataclass(frozen=True)
class Seeded:
    merchant: str
    key: str = KEY
    secret: str = SECRET


def seed(origins: tuple[str, ...] = ()) -> Seeded:
    """Make the merchant and its key unless they exist; `origins` replace those allowed."""
    if settings().is_production:
        raise Forbidden("The demo's key is public: it is never seeded in production.")
    with transaction(actor="operator:seed") as tx:
        merchant = tx.scalar(select(Merchant).filter_by(name=MERCHANT))
        if merchant is None:
            merchant = service.create(tx, name=MERCHANT)
            service.create_key(tx, merchant, livemode=False, name="demo", pair=f"{KEY}:{SECRET}")
        if origins:
            service.change(tx, merchant.id, {"allowed_origins": list(origins)})
    return Seeded(merchant.id)
