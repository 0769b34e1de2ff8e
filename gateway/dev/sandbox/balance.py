"""The account's balance: one transaction for each movement of money, and their sums.

Writes down what the others decided; never decides a movement itself.
"""

from collections import defaultdict

from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.objects import new_id
from gateway.dev.sandbox.skeletons import blank
from gateway.dev.sandbox.store import Object

AVAILABLE_AFTER_S = 2 * 86400
DISPUTE_FEE = 1500
_FIXED_FEE = 30


def charged(work: Work, charge: Object) -> Object:
    """Stripe writes it a moment later for `automatic_async` charges; here it is there at once."""
    amount = charge["amount_captured"]
    type = "charge" if _is_card(charge) else "payment"
    return _record(work, type, charge, amount=amount, fee=processing_fee(amount), category="charge")


def refunded(work: Work, refund: Object, charge: Object) -> Object:
    type = "refund" if _is_card(charge) else "payment_refund"
    return _record(work, type, refund, amount=-refund["amount"], category="refund")


def refund_returned(work: Work, refund: Object) -> Object:
    """The refund did not reach the shopper, so the money is the merchant's again."""
    amount = refund["amount"]
    return _record(work, "refund_failure", refund, amount=amount, category="refund_failure")


def withdrawn(work: Work, dispute: Object) -> Object:
    amount = -dispute["amount"]
    return _record(work, "adjustment", dispute, amount=amount, fee=DISPUTE_FEE, category="dispute")


def reinstated(work: Work, dispute: Object) -> Object:
    """A dispute that is won gives the amount back, but not the fee."""
    amount = dispute["amount"]
    return _record(work, "adjustment", dispute, amount=amount, category="dispute_reversal")


def processing_fee(amount: int) -> int:
    """2.9 % and 30 minor units, rounded half up without leaving the integers."""
    return (amount * 29 + 500) // 1000 + _FIXED_FEE


def shown(work: Work, transaction: Object) -> Object:
    """Whether it is available follows from the clock alone, so it is not written down."""
    is_available = transaction["available_on"] <= work.now
    return transaction | {"status": "available" if is_available else "pending"}


def summary(work: Work) -> Object:
    sums: dict[str, dict[str, int]] = {
        "available": defaultdict(int),
        "pending": defaultdict(int),
    }
    for transaction in work.tx.newest("balance_transaction"):
        status = shown(work, transaction)["status"]
        sums[status][transaction["currency"]] += transaction["net"]
    parts = {status: _funds(per_currency) for status, per_currency in sums.items()}
    return blank("balance", **parts)


def _funds(per_currency: dict[str, int]) -> list[Object]:
    return [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(per_currency.items())
    ]


def _record(
    work: Work, type: str, source: Object, *, amount: int, category: str, fee: int = 0
) -> Object:
    currency = source["currency"]
    transaction = blank(
        "balance_transaction",
        id=new_id("txn_3"),
        amount=amount,
        available_on=work.now + AVAILABLE_AFTER_S,
        balance_type="payments",
        created=work.now,
        currency=currency,
        fee=fee,
        fee_details=[_fee_detail(fee, currency)] if fee else [],
        net=amount - fee,
        reporting_category=category,
        source=source["id"],
        status="pending",
        type=type,
    )
    return work.tx.put(transaction)


def _fee_detail(fee: int, currency: str) -> Object:
    return {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }


def _is_card(charge: Object) -> bool:
    """Stripe names the movements of charges that are not on cards (`py_...`) differently."""
    return bool(charge["payment_method_details"]["type"] == "card")
