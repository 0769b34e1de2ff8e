"""What the hosted page offers to click: test instruments, and in a word or two how each ends.

The words are read off the instrument, so that a button never promises what its card does not do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.dev.sandbox import instruments, processing
from gateway.dev.sandbox.instruments import Instrument, Later, TestCard

# Whoever clicks wants to be done with the form; an address typed before is kept.
_EMAIL = "shopper@example.com"
_EXPIRY = {"exp_month": "12", "exp_year": "34"}

Tone = Literal["good", "bad", "ask"]


@dataclass(frozen=True)
class Sample:
    """`query` is the link that fills in the form on the server, `fills` the same for a script."""

    method: str
    query: str
    value: str
    title: str
    note: str
    tone: Tone
    fills: Mapping[str, str]

    def is_in(self, values: Mapping[str, str]) -> bool:
        """Whether the form holds it just now."""
        return any(
            re.sub(r"\s", "", values.get(name, "")) == self.value
            for name in ("card_number", "vpa", "iban")
        )


def of_card(card: TestCard) -> Sample:
    tone: Tone = "bad" if card.refusal else "ask" if card.challenge else "good"
    cvc = "1234" if card.brand == "amex" else "123"
    fills = {"card_number": card.number, **_EXPIRY, "cvc": cvc, "email": _EMAIL}
    return Sample("card", "card", card.number, card.title, card.number[-4:], tone, fills)


def _of_vpa(vpa: str) -> Sample:
    tone, title, note = _words(instruments.upi({"vpa": vpa}))
    return Sample("upi", "vpa", vpa, title, note, tone, {"vpa": vpa, "email": _EMAIL})


def _of_iban(iban: str) -> Sample:
    tone, title, note = _words(instruments.sepa({"iban": iban}))
    return Sample("sepa_debit", "iban", iban, title, note, tone, {"iban": iban, "email": _EMAIL})


def _words(instrument: Instrument) -> tuple[Tone, str, str]:
    if instrument.refusal:
        return "bad", "Declined", "at once"
    takes = processing.TAKES.get(instrument.type)
    if instrument.later == Later.LATE_SUCCESS:
        return "good", "Succeeds", f"in {takes}"
    if instrument.later == Later.LATE_FAILURE:
        return "bad", "Fails", f"in {takes}"
    if instrument.later == Later.NO_NEWS:
        return "ask", "No answer", "stays open"
    return "good", "Succeeds", "at once"


FEATURED = {
    "card": [of_card(card) for card in instruments.FEATURED],
    "upi": [_of_vpa(vpa) for vpa in instruments.VPAS],
    "sepa_debit": [_of_iban(iban) for iban in instruments.IBANS],
}
MORE_CARDS = [of_card(card) for card in instruments.OTHERS]
ALL = [*FEATURED["card"], *MORE_CARDS, *FEATURED["upi"], *FEATURED["sepa_debit"]]
