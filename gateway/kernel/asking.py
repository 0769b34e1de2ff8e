"""Rows whose wish is asked of somebody outside by one call: the same question on every try.

What is asked is frozen in the row before the first call, and every try of one business attempt
carries the same key, so that asking again is safe. Where keys may have been forgotten, or an error
is kept under one, it is looked first whether the thing exists; only "not there" allows a new key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.kernel.db import now

# Stripe keeps the answer to a key for at least a day. Until then the same question is safe.
SAME_KEY_HOURS = 20


@dataclass(frozen=True)
class Request:
    """One question: the same parameters and key on every try of one business attempt.

    `row_id` is the row it is for, by which its outcome is found again.
    """

    row_id: str
    params: dict[str, Any]
    idempotency_key: str
    asked_at: datetime
    look_first: bool


class Asking:
    """`request_number` is the business attempt, the last part of the key."""

    ASKS_FOR: ClassVar[str]  # the operation, the first part of the key
    if TYPE_CHECKING:
        id: Mapped[str]

    # Text rather than jsonb: the order of keys is part of the question.
    request_params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    requested_at: Mapped[datetime | None]
    request_number: Mapped[int] = mapped_column(default=1)
    look_first: Mapped[bool] = mapped_column(default=False)

    def request(self, tx: Session, params: dict[str, Any]) -> Request:
        """The question, frozen as `params` when it is asked for the first time."""
        if self.request_params is None:
            self.request_params = params
            self.requested_at = now(tx)
        asked_at = self.requested_at
        if asked_at is None:
            raise RuntimeError("parameters and time of a question are written together")
        return Request(
            row_id=self.id,
            params=self.request_params,
            idempotency_key=f"{self.ASKS_FOR}:{self.id}:{self.request_number}",
            asked_at=asked_at,
            look_first=self.look_first or now(tx) - asked_at > timedelta(hours=SAME_KEY_HOURS),
        )

    def ask_anew(self, tx: Session) -> None:
        """It was asked and there is no such thing: only now may it be asked under a new key."""
        self.request_number += 1
        self.requested_at = now(tx)
        self.look_first = False
