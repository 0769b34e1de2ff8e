"""Does every payment stand where Stripe says it stands, and was nobody charged too often?"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from gateway.dev.torture.facts import Facts, Resource
from gateway.dev.torture.proof import Violation

ENDED = ("failed", "expired", "cancelled")
PAID = ("succeeded", "refunded")


def sessions_of(facts: Facts) -> dict[str, list[Resource]]:
    """Stripe's sessions, by the payment that they name."""
    found = defaultdict[str, list[Resource]](list)
    for row in facts.stripe:
        found[row["client_reference_id"]].append(row)
    return found


def payments_of(facts: Facts) -> list[Resource]:
    return [payment for side in facts.sides.values() for payment in side.payments]


def sessions(facts: Facts) -> Iterator[Violation]:
    """One page per payment at most, each known to its gateway, and none open after the end."""
    known = {payment["id"]: payment for payment in payments_of(facts)}
    for name, rows in sessions_of(facts).items():
        if len(rows) > 1:
            yield Violation("sessions", name, "one session", str(len(rows)))
        if name not in known:
            yield Violation("sessions", name, "a payment of ours", "none")
            continue
        is_open = any(row["status"] == "open" for row in rows)
        if is_open and known[name]["status"] in (*ENDED, *PAID):
            yield Violation("sessions", name, "a closed page", f"{known[name]['status']}, yet open")


def stripe(facts: Facts) -> Iterator[Violation]:
    """Status and figures, payment by payment."""
    rows = sessions_of(facts)
    for payment in payments_of(facts):
        theirs = rows.get(payment["id"], [])
        captured = sum(row["amount_received"] for row in theirs)
        refunded = sum(row["refunds_succeeded"] for row in theirs)
        status, said = payment["status"], [row["intent_status"] for row in theirs]
        wanted = {
            "amount_captured": captured,
            "amount_refunded": refunded,
        }
        for field, amount in wanted.items():
            if payment[field] != amount:
                subject = f"{payment['id']} {status} {field}"
                yield Violation("stripe", subject, str(amount), str(payment[field]))
        if status in PAID and "succeeded" not in said:
            yield Violation("stripe", payment["id"], f"Stripe's {said}", status)
        if status in ENDED and captured:
            yield Violation("stripe", payment["id"], f"success: {captured} taken", status)
        if status == "refunded" and refunded != captured:
            yield Violation("stripe", payment["id"], f"{refunded} of {captured} back", status)


def charges(facts: Facts) -> Iterator[Violation]:
    """Nobody pays twice: not for a payment, and not for an order without getting it back."""
    rows = sessions_of(facts)
    kept = Counter[str]()
    for payment in payments_of(facts):
        theirs = rows.get(payment["id"], [])
        count = sum(row["successful_charges"] for row in theirs)
        if count > 1:
            yield Violation("charges", payment["id"], "one charge", str(count))
        net = sum(row["amount_received"] - row["refunds_succeeded"] for row in theirs)
        kept[payment["order_id"]] += net > 0
        if net < 0:
            yield Violation("charges", payment["id"], "no more given back than taken", str(net))
    for order, count in kept.items():
        if count > 1:
            yield Violation("charges", order, "one payment that is kept", str(count))


def orders(facts: Facts) -> Iterator[Violation]:
    """A paid order has its money, and only a paid one keeps some."""
    rows = sessions_of(facts)
    for side in facts.sides.values():
        for order in side.orders:
            mine = [each for each in side.payments if each["order_id"] == order["id"]]
            paid = [each["id"] for each in mine if each["status"] in PAID]
            if order["status"] in ("payment_done", "packaging") and not paid:
                yield Violation("orders", order["id"], "a payment", order["status"])
            if order["status"] in ("cancelled", "payment_failed"):
                theirs = [row for each in mine for row in rows.get(each["id"], [])]
                net = sum(row["amount_received"] - row["refunds_succeeded"] for row in theirs)
                if net:
                    yield Violation("orders", order["id"], "all money given back", f"{net} kept")


def sums(facts: Facts) -> Iterator[Violation]:
    """Captured less refunded, by currency, on both sides."""
    ours, theirs = Counter[str](), Counter[str]()
    for payment in payments_of(facts):
        net = payment["amount_captured"] - payment["amount_refunded"]
        ours[payment["currency"].upper()] += net
    for row in facts.stripe:
        theirs[row["currency"].upper()] += row["amount_received"] - row["refunds_succeeded"]
    for currency in sorted({*ours, *theirs}):
        if ours[currency] != theirs[currency]:
            found = str(ours[currency])
            yield Violation("sums", currency, f"{theirs[currency]} as at Stripe", found)


def amounts(facts: Facts) -> Iterator[Violation]:
    """An amount that nobody asked for fulfils nothing."""
    for side in facts.sides.values():
        orders = {each["id"]: each for each in side.orders}
        for payment in side.payments:
            meant = payment["id"] in side.plan.wrong
            if meant != (payment["status"] == "review"):
                expected = "review" if meant else "no review: its amount was right"
                yield Violation("amounts", payment["id"], expected, payment["status"])
            order = orders.get(payment["order_id"], {})
            if meant and order.get("status") in ("payment_done", "packaging"):
                yield Violation("amounts", order["id"], "not fulfilled", order["status"])


def late(facts: Facts) -> Iterator[Violation]:
    """A second success for one order goes back by itself."""
    rows = sessions_of(facts)
    for side in facts.sides.values():
        for payment in side.payments:
            if payment["id"] not in side.plan.late:
                continue
            theirs = rows.get(payment["id"], [])
            net = sum(row["amount_received"] - row["refunds_succeeded"] for row in theirs)
            if net or payment["status"] != "refunded":
                found = f"{payment['status']}, {net} kept"
                yield Violation("late", payment["id"], "refunded in full", found)


MONEY_CHECKS = (sessions, stripe, charges, orders, sums, amounts, late)
