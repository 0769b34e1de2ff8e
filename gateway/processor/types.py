"""What Stripe tells us and what we ask, as frozen values. No Stripe object leaves the processor:
pickled or logged, one would carry the secret key.

ProcessorError
├── Refused         a definite no: nothing was done, and asking the same again is pointless
├── NotThere        Stripe was asked and has no such thing
└── Unanswered      unknown: it may have been done; ask the same again, with the same key
    ├── Replayed    Stripe keeps an error for this key: ask whether the thing exists instead
    └── Misconfigured   our key or version was refused; an operator must mend it
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Failure:
    """Why a shopper's attempt was declined; `charge_id` tells two alike declines apart."""

    code: str
    message: str
    charge_id: str | None = None


@dataclass(frozen=True)
class StripeRefund:
    """`refund_id` is ours, if it was us who asked for it."""

    id: str
    status: str  # pending | requires_action | succeeded | failed | canceled
    amount: int
    currency: str
    reason: str | None = None
    failure_reason: str | None = None
    refund_id: str | None = None
    intent_id: str | None = None


@dataclass(frozen=True)
class StripeDispute:
    """`status` is Stripe's word; those of an inquiry begin with `warning_`."""

    id: str
    status: str
    amount: int
    currency: str
    reason: str | None = None
    respond_by: datetime | None = None
    intent_id: str | None = None


@dataclass(frozen=True)
class Intent:
    """Amounts in minor units; currency upper case; `status` is Stripe's word.

    Refunds and disputes are those of the last charge, oldest first; an answer that was not asked
    for them has none, so their absence proves nothing.
    """

    id: str
    status: str
    amount: int
    amount_received: int
    currency: str
    livemode: bool
    failure: Failure | None = None
    cancellation_reason: str | None = None
    refunds: tuple[StripeRefund, ...] = ()
    disputes: tuple[StripeDispute, ...] = ()
    payment_id: str | None = None  # as its metadata says
    given_back: int = 0  # of what was received, as its charge says
    # The answer does not show all refunds or disputes: the session must be asked for by itself.
    is_partial: bool = False


@dataclass(frozen=True)
class CheckoutSession:
    """`url` is null once the session is not open; `intent` until the shopper's first attempt."""

    id: str
    status: str  # open | complete | expired
    url: str | None
    payment_id: str | None
    amount_total: int
    currency: str
    livemode: bool
    intent: Intent | None = None


@dataclass(frozen=True)
class StripeMovement:
    """One line of Stripe's balance. `amount` and `fee` are in `currency`, in which it is settled.

    `of` says what it is about, and `source_amount` and `source_currency` what that came to.
    """

    id: str
    type: str  # charge | payment | refund | payment_refund | refund_failure | adjustment | ...
    created_at: datetime
    amount: int
    fee: int
    currency: str
    of: str | None  # charge | refund | dispute; null for payouts, fees and the like
    intent_id: str | None
    payment_id: str | None  # as its metadata names it; a charge has its intent's
    source_id: str | None
    source_amount: int
    source_currency: str
    given_back: int  # of a charge, by now


@dataclass(frozen=True)
class StripeNews:
    """An event, with every id by which it may be matched. `body` is the text as Stripe sent it."""

    id: str
    type: str
    livemode: bool
    api_version: str | None
    object_id: str | None
    session_id: str | None
    intent_id: str | None
    payment_id: str | None
    body: str
    created_at: datetime | None = None


class ProcessorError(Exception):
    """What went wrong with a call, in words of ours: merchants read them. `said` are Stripe's or
    the network's, which may name the operator's key and hosts; they are for the log alone.
    """

    def __init__(self, message: str, said: str | None = None) -> None:
        super().__init__(message)
        self.said = said


class Refused(ProcessorError):
    """`message` is Stripe's own: it is about what was asked, and a merchant can act on it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class NotThere(ProcessorError):
    pass


class Unanswered(ProcessorError):
    pass


class Replayed(Unanswered):
    pass


class Misconfigured(Unanswered):
    pass
