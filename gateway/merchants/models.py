"""Merchants and API keys. A secret is stored only as a hash that needs the server's pepper, and as
a key derived from it that signs what shoppers carry back, sealed.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.kernel.db import Base
from gateway.kernel.seal import unseal


class Merchant(Base):
    __tablename__ = "merchants"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    allowed_origins: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    created_at: Mapped[datetime]


class ApiKey(Base):
    """`key` is public and finds the row; who also has the secret may do everything."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[bytes]
    sealed_result_key: Mapped[str | None]  # null for keys older than migration 0006
    merchant_id: Mapped[str] = mapped_column(ForeignKey("merchants.id"), index=True)
    livemode: Mapped[bool]
    name: Mapped[str | None]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]  # to the minute
    revoked_at: Mapped[datetime | None]

    @property
    def result_key(self) -> bytes | None:
        """What signs a shopper's result; who has the secret can make it. None if there is none."""
        if self.sealed_result_key is None or self.revoked_at is not None:
            return None
        return bytes.fromhex(unseal(self.sealed_result_key, bound_to=result_row(self.id)))


def result_row(key_id: str) -> str:
    """What a sealed result key is bound to: in another row it does not open."""
    return f"api_keys:{key_id}:result"
