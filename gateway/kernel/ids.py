"""Prefixed, time-ordered identifiers: `pay_01j9x...` sorts by birth and names its kind."""

import os
import re
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32, lower case
_LENGTH = 26  # 130 bits, of which 128 are used: 48 of milliseconds, 80 random

PREFIXES = ("mer", "key", "ord", "pay", "cap", "ref", "dsp", "evt", "we", "wd", "sev", "run", "dcr")
REST = rf"[{_ALPHABET}]{{{_LENGTH}}}"  # of an id, after its prefix
OUR_SHAPE = re.compile(rf"({'|'.join(PREFIXES)})_{REST}")


def new_id(prefix: str) -> str:
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    digits = [""] * _LENGTH
    for place in range(_LENGTH - 1, -1, -1):
        digits[place] = _ALPHABET[number & 31]
        number >>= 5
    return f"{prefix}_{''.join(digits)}"


def is_id(text: str, prefix: str | None = None) -> bool:
    """Whether `text` has the exact shape of one of our ids (of `prefix`, when given)."""
    match = OUR_SHAPE.fullmatch(text)
    return match is not None and prefix in (None, match[1])
