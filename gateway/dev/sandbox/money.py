"""Amounts in minor units: decimals of a currency, the least amount, how a person reads it."""

import re

ZERO_DECIMAL = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"}
    | {"pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"}
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
SYMBOLS = {
    "usd": "$",
    "eur": "€",
    "gbp": "£",
    "inr": "₹",
    "jpy": "¥",
    "krw": "₩",
    "aud": "A$",
    "cad": "C$",
}

# About half a dollar each; two-decimal currencies that are not named here need 50 minor units.
MINIMUM = {
    "usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "krw": 500, "vnd": 10_000, "clp": 500,
    "dkk": 250, "nok": 300, "sek": 300, "mxn": 1000, "hkd": 400, "bhd": 200, "kwd": 160,
    "jod": 360, "omr": 200, "tnd": 1500,
}  # fmt: skip
MAXIMUM = 99_999_999  # Stripe takes eight digits.


def decimals(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def minimum(currency: str) -> int:
    return MINIMUM.get(currency, 50)


def is_currency(code: str) -> bool:
    return re.fullmatch(r"[a-zA-Z]{3}", code) is not None


def display(amount: int, currency: str) -> str:
    """`$1,234.50`, `¥500`; the code itself where no symbol is known."""
    places = decimals(currency)
    number = f"{amount / 10**places:,.{places}f}"
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{number}" if symbol else f"{currency.upper()} {number}"
