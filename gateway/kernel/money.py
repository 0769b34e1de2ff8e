"""Money: integer minor units with an ISO 4217 code. Never floats, never a guessed exponent.

The currencies are those Stripe presents (docs.stripe.com/currencies); its exponents differ from
ISO's in places (UGX and ISK are charged with two digits that must be zero).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar

from marshmallow import ValidationError, fields

MAX_AMOUNT = 99_999_999  # Stripe takes eight digits

ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())
WHOLE_UNITS_ONLY = frozenset("ISK UGX".split())
CURRENCIES = (
    ZERO_DECIMAL
    | THREE_DECIMAL
    | WHOLE_UNITS_ONLY
    | frozenset(
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD"
        " CAD CDF CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD"
        " HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK"
        " MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON"
        " RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH USD"
        " UYU UZS WST XCD YER ZAR ZMW".split()
    )
)


def inexact(amount: int, currency: str) -> str | None:
    """Why this currency cannot be charged that exactly, in words; None when it can."""
    if currency in THREE_DECIMAL and amount % 10:
        return f"{currency} has three decimals and the last must be 0: {amount} is not."
    if currency in WHOLE_UNITS_ONLY and amount % 100:
        return f"{currency} has no smaller unit: the last two digits must be 00."
    return None


def check_money(amount: int, currency: str) -> None:
    """Raises `ValidationError` on `amount` when it is `inexact`."""
    if why := inexact(amount, currency):
        raise ValidationError({"amount": [why]})


def display(amount: int, currency: str) -> str:
    """1999, EUR -> `19.99 EUR`: the same in every language, with Stripe's decimals."""
    decimals = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    return f"{Decimal(amount).scaleb(-decimals):,.{decimals}f} {currency}"


def any_case(codes: Iterable[str]) -> str:
    """A pattern, which has no flags in JSON Schema, for these codes in any case."""
    spelt = ("".join(f"[{letter}{letter.lower()}]" for letter in code) for code in sorted(codes))
    return f"^(?:{'|'.join(spelt)})$"


def whole(codes: Iterable[str], step: int) -> dict[str, Any]:
    """`check_money` as JSON Schema: an amount in one of these is a multiple of `step`."""
    currency = {"type": "string", "pattern": any_case(codes)}
    return {
        "if": {"properties": {"currency": currency}, "required": ["currency"]},
        "then": {"properties": {"amount": {"multipleOf": step}}},
    }


EXACT = [whole(THREE_DECIMAL, 10), whole(WHOLE_UNITS_ONLY, 100)]


class Amount(fields.Integer):
    """A JSON integer of minor units, 1..99,999,999. `true`, `100.0` and `"100"` are none."""

    def __init__(self, *, minimum: int = 1, **kwargs: Any) -> None:
        super().__init__(strict=True, **kwargs)
        self.minimum = minimum
        self.described = {
            "description": "Minor units: 1999 is 19.99 EUR, or 1999 JPY.",
            "minimum": minimum,
            "maximum": MAX_AMOUNT,
        }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError("Must be a JSON integer of minor units, such as 1999 for 19.99.")
        if not self.minimum <= value <= MAX_AMOUNT:
            raise ValidationError(f"Must be from {self.minimum} to {MAX_AMOUNT} minor units.")
        return value


class Currency(fields.String):
    """A three-letter ISO 4217 code, any case in, upper case out."""

    described: ClassVar[dict[str, Any]] = {
        "description": "An ISO 4217 code that Stripe takes, in any case; answers have upper case.",
        "pattern": any_case(CURRENCIES),
        "examples": ["EUR"],
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        # Only ASCII letters change case here: upper() turns a long s into S.
        code = value.upper() if isinstance(value, str) and value.isascii() else value
        if not isinstance(code, str) or code not in CURRENCIES:
            raise ValidationError("Must be an ISO 4217 code that Stripe takes, such as EUR or INR.")
        return code
