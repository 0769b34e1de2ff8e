"""What a shopper may pay with: test cards, UPI addresses and IBANs, and how each behaves.

Any other card or account is refused here, so a real number is never stored or logged.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from gateway.dev.sandbox.store import Object


@dataclass(frozen=True)
class Refusal:
    code: str
    message: str
    decline_code: str | None = None
    blocked: bool = False


class Later(StrEnum):
    """What some instruments do after the moment of paying."""

    FRAUD = "fraud"
    NOT_RECEIVED = "not_received"
    INQUIRY = "inquiry"
    REFUND_PENDING = "refund_pending"
    REFUND_FAILS = "refund_fails"
    LATE_SUCCESS = "late_success"
    LATE_FAILURE = "late_failure"
    NO_NEWS = "no_news"


_SLOW = (Later.LATE_SUCCESS, Later.LATE_FAILURE, Later.NO_NEWS)


@dataclass(frozen=True)
class TestCard:
    __test__ = False  # Not a test class, whatever its name says to pytest.

    number: str
    title: str
    brand: str = "visa"
    country: str = "US"
    refusal: Refusal | None = None
    challenge: bool = False
    later: Later | None = None


@dataclass(frozen=True)
class Instrument:
    """A card, a UPI address or a bank account as far as it may be remembered."""

    type: Literal["card", "upi", "sepa_debit"]
    details: Object
    email: str | None = None
    refusal: Refusal | None = None
    challenge: bool = False
    later: Later | None = None

    @property
    def is_slow(self) -> bool:
        """Paying with it is not decided at once."""
        return self.later in _SLOW

    def to_notes(self) -> Object:
        return asdict(self)

    @classmethod
    def from_notes(cls, notes: Object) -> "Instrument":
        refusal = Refusal(**notes["refusal"]) if notes["refusal"] else None
        return cls(**{**notes, "refusal": refusal})


class FormError(ValueError):
    """The shopper mistyped something; `field` is the input to look at."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


_DECLINED = "Your card was declined."


def _declines(decline_code: str, message: str = _DECLINED, *, blocked: bool = False) -> Refusal:
    return Refusal("card_declined", message, decline_code, blocked)


_SHORT_OF_FUNDS = _declines("insufficient_funds", "Your card has insufficient funds.")
_TOO_OFTEN = _declines("card_velocity_exceeded", "Your card has been used too often of late.")
_EXPIRED = Refusal("expired_card", "Your card has expired.")
_WRONG_CVC = Refusal("incorrect_cvc", "Your card's security code is incorrect.")
_NO_PROCESSING = Refusal(
    "processing_error", "An error occurred while processing your card. Try again in a little bit."
)
NOT_AUTHENTICATED = Refusal(
    "payment_intent_authentication_failure",
    "We could not authenticate your payment method. Please choose another one and try again.",
)
_UPI_DECLINED = Refusal(
    "payment_method_provider_decline", "Your bank declined the UPI payment. Please try again."
)

# The titles of these six stand on buttons, three in a row on a phone.
FEATURED = (
    TestCard("4242424242424242", "Succeeds"),
    TestCard("4000000000000002", "Declined", refusal=_declines("generic_decline")),
    TestCard("4000000000009995", "No funds", refusal=_SHORT_OF_FUNDS),
    TestCard("4000002760003184", "3D Secure", challenge=True),
    TestCard("4000000000000069", "Expired", refusal=_EXPIRED),
    TestCard("4000000000000127", "Bad CVC", refusal=_WRONG_CVC),
)
OTHERS = (
    TestCard("5555555555554444", "Mastercard", brand="mastercard"),
    TestCard("5200828282828210", "Mastercard debit", brand="mastercard"),
    TestCard("4000056655665556", "Visa debit"),
    TestCard("4000003560000008", "Visa India", country="IN"),
    TestCard("378282246310005", "American Express", brand="amex"),
    TestCard("6011111111111117", "Discover", brand="discover"),
    TestCard("3566002020360505", "JCB", brand="jcb"),
    TestCard("4000000000000077", "Funds available at once"),
    TestCard("4000000000000259", "Disputed as fraud later", later=Later.FRAUD),
    TestCard("4000000000002685", "Disputed as not received later", later=Later.NOT_RECEIVED),
    TestCard("4000000000001976", "Inquiry later", later=Later.INQUIRY),
    TestCard("4000000000005423", "Early fraud warning later"),  # No such warning is told here.
    TestCard("4000000000007726", "Refund is pending first", later=Later.REFUND_PENDING),
    TestCard("4000000000005126", "Refund fails later", later=Later.REFUND_FAILS),
    TestCard("4000000000009987", "Lost card", refusal=_declines("lost_card")),
    TestCard("4000000000009979", "Stolen card", refusal=_declines("stolen_card")),
    TestCard("4000000000000119", "Processing error", refusal=_NO_PROCESSING),
    TestCard("4000000000006975", "Used too often", refusal=_TOO_OFTEN),
    TestCard("4000000000000341", "Attaches, then declines", refusal=_declines("generic_decline")),
    TestCard("4100000000000019", "Blocked", refusal=_declines("fraudulent", blocked=True)),
    TestCard("4000002500003155", "3D Secure unless set up", challenge=True),
    TestCard("4000000000003220", "3D Secure 2", challenge=True),
    TestCard(
        "4000008400001629",
        "3D Secure, then declined",
        refusal=_declines("generic_decline"),
        challenge=True,
    ),
)
CARDS = {card.number: card for card in FEATURED + OTHERS}

# Any other address is paid at once.
VPAS = ("success@upi", "failure@upi", "pending@upi", "late-failure@upi")
_SLOW_VPAS = {"pending@upi": Later.LATE_SUCCESS, "late-failure@upi": Later.LATE_FAILURE}
IBANS = {
    "AT611904300234573201": Later.LATE_SUCCESS,
    "IT60X0542811101000000123456": Later.LATE_FAILURE,
    "DE89370400440532013000": Later.NO_NEWS,
}


def card(form: Mapping[str, str], *, now: float) -> Instrument:
    """Read the card fields of the page; nothing has been touched yet when this refuses."""
    number = re.sub(r"[\s-]", "", form.get("card_number", ""))
    if not re.fullmatch(r"\d{12,19}", number):
        raise FormError("card_number", "Your card number is incomplete.")
    if not passes_luhn(number):
        raise FormError("card_number", "Your card number is invalid.")
    if number not in CARDS:
        raise FormError("card_number", "This is not a test card. Real cards do not work here.")
    month, year = _expiry(form, now=now)
    test_card = CARDS[number]
    cvc_length = 4 if test_card.brand == "amex" else 3
    if not re.fullmatch(rf"\d{{{cvc_length}}}", form.get("cvc", "").strip()):
        raise FormError("cvc", "Your card's security code is incomplete.")
    return of_card(test_card, month, year, email=_email(form))


def of_card(test_card: TestCard, month: int, year: int, *, email: str | None = None) -> Instrument:
    details = {
        "brand": test_card.brand,
        "country": test_card.country,
        "exp_month": month,
        "exp_year": year,
        "last4": test_card.number[-4:],
    }
    return Instrument(
        "card",
        details,
        email,
        refusal=test_card.refusal,
        challenge=test_card.challenge,
        later=test_card.later,
    )


def upi(form: Mapping[str, str]) -> Instrument:
    vpa = form.get("vpa", "").strip()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}@[A-Za-z][A-Za-z0-9]{1,63}", vpa):
        raise FormError("vpa", "Enter a UPI ID like name@bank.")
    refusal = _UPI_DECLINED if vpa.lower() == "failure@upi" else None
    later = _SLOW_VPAS.get(vpa.lower())
    return Instrument("upi", {"vpa": vpa}, _email(form), refusal=refusal, later=later)


def sepa(form: Mapping[str, str]) -> Instrument:
    iban = re.sub(r"\s", "", form.get("iban", "")).upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", iban):
        raise FormError("iban", "Your IBAN is incomplete.")
    if not passes_mod_97(iban):
        raise FormError("iban", "Your IBAN is invalid.")
    if iban not in IBANS:
        raise FormError("iban", "This is not a test IBAN. Real accounts do not work here.")
    account = {"country": iban[:2], "last4": iban[-4:]}
    return Instrument("sepa_debit", account, _email(form), later=IBANS[iban])


def passes_luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def passes_mod_97(iban: str) -> bool:
    rearranged = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1


def _expiry(form: Mapping[str, str], *, now: float) -> tuple[int, int]:
    month_text, year_text = form.get("exp_month", "").strip(), form.get("exp_year", "").strip()
    if not re.fullmatch(r"\d{1,2}", month_text) or not 1 <= int(month_text) <= 12:
        raise FormError("exp_month", "Your card's expiration month is invalid.")
    if not re.fullmatch(r"\d{2}|\d{4}", year_text):
        raise FormError("exp_year", "Your card's expiration year is invalid.")
    month = int(month_text)
    year = int(year_text) + (2000 if len(year_text) == 2 else 0)
    today = datetime.fromtimestamp(now, UTC)
    if (year, month) < (today.year, today.month):
        raise FormError("exp_year", "Your card's expiration date is in the past.")
    if year > today.year + 50:
        raise FormError("exp_year", "Your card's expiration year is invalid.")
    return month, year


def _email(form: Mapping[str, Any]) -> str | None:
    email = str(form.get("email", "")).strip()
    if email and not is_email(email):
        raise FormError("email", "Your email address is invalid.")
    return email or None


def is_email(text: str) -> bool:
    return re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+|[^@\s]+@localhost", text) is not None
