"""The life of a Checkout Session apart from paying: created from a request, and ended unpaid."""

from typing import Any

from gateway.dev.sandbox import events, metadata, money, objects
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.errors import ApiError, invalid
from gateway.dev.sandbox.instruments import is_email
from gateway.dev.sandbox.store import Object

SHORTEST_S, LONGEST_S = 30 * 60, 24 * 3600
_LOCAL = {"inr": "upi", "eur": "sepa_debit"}  # None of these can be captured later.


def create(work: Work, values: dict[str, Any]) -> Object:
    if values.get("mode", "payment") != "payment":
        raise invalid("The sandbox has Checkout Sessions in payment mode only.", param="mode")
    if values.get("ui_mode", "hosted_page") != "hosted_page":
        raise invalid("The sandbox has the hosted page only.", param="ui_mode")
    items = _items(values.get("line_items") or [])
    currency = items[0]["currency"]
    amount = sum(item["amount"] for item in items)
    _check_amount(amount, currency)
    _check_texts(values)
    _check_expiry(values.get("expires_at"), now=work.now)
    session = objects.session(
        values,
        amount=amount,
        currency=currency,
        types=_method_types(values, currency),
        now=work.now,
        base_url=work.base_url,
    )
    save(work, session)
    intent_data = values.get("payment_intent_data") or {}
    work.tx.set_notes(session["id"], {"items": items, "intent_data": intent_data})
    return session


def save(work: Work, session: Object) -> None:
    work.tx.put(session, due=session["expires_at"] if session["status"] == "open" else None)


def expire(work: Work, session: Object) -> Object:
    """End an open session; whatever payment it had begun can no longer happen."""
    if session["status"] != "open":
        raise ApiError(
            400,
            "Only Checkout Sessions with a status in ['open'] can be expired. This Checkout"
            f" Session has a status of `{session['status']}`.",
            executed=True,
        )
    session |= {"status": "expired", "url": None}
    save(work, session)
    if session["payment_intent"]:
        intent = work.tx.get("payment_intent", session["payment_intent"])
        if intent and intent["status"] in ("requires_payment_method", "requires_action"):
            cancel_intent(work, intent, reason="expired")
    events.record(work, "checkout.session.expired", session)
    return session


def cancel_intent(work: Work, intent: Object, *, reason: str | None) -> Object:
    """The charge of an authorised intent stays as it is: released money is no refund."""
    intent |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": work.now,
        "cancellation_reason": reason,
        "next_action": None,
    }
    work.tx.put(intent)
    events.record(work, "payment_intent.canceled", intent)
    return intent


def release(work: Work, intent: Object) -> Object:
    """Nobody captured the authorised money in time, so it falls back to the shopper."""
    charge = work.tx.get("charge", intent["latest_charge"])
    assert charge is not None, "an authorised intent has its charge"
    events.record(work, "charge.expired", charge)
    return cancel_intent(work, intent, reason="expired")


def mark_paid(work: Work, intent_id: str) -> None:
    """The money has come after the session was completed."""
    for session in work.tx.of_intent("checkout.session", intent_id):
        save(work, session | {"payment_status": "paid"})


def _items(line_items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not line_items:
        raise invalid(
            "`line_items` is required in payment mode.",
            param="line_items",
            code="parameter_missing",
        )
    if len(line_items) > 100:
        raise invalid("At most 100 line items are allowed.", param="line_items")
    items = [_item(item, f"line_items[{index}]") for index, item in enumerate(line_items)]
    if len({item["currency"] for item in items}) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    return items


def _item(item: dict[str, Any], path: str) -> dict[str, Any]:
    if "price" in item:
        param = f"{path}[price]"
        raise invalid(f"No such price: '{item['price']}'", param=param, code="resource_missing")
    price = _required(item, "price_data", path)
    quantity = _required(item, "quantity", path)
    unit_amount = _required(price, "unit_amount", f"{path}[price_data]")
    product = _required(price, "product_data", f"{path}[price_data]")
    currency = price["currency"].lower()
    if not money.is_currency(currency):
        raise invalid(f"Invalid currency: {currency}", param=f"{path}[price_data][currency]")
    for name, number in (("[quantity]", quantity), ("[price_data][unit_amount]", unit_amount)):
        if number < 0 or (name == "[quantity]" and number == 0):
            least = 1 if name == "[quantity]" else 0
            raise invalid(
                f"This value must be greater than or equal to {least}.",
                param=path + name,
                code="parameter_invalid_integer",
            )
    return {
        "name": product["name"],
        "description": product.get("description"),
        "quantity": quantity,
        "unit_amount": unit_amount,
        "amount": quantity * unit_amount,
        "currency": currency,
    }


def _required(values: dict[str, Any], name: str, path: str) -> Any:
    if name not in values:
        param = f"{path}[{name}]"
        raise invalid(f"Missing required param: {param}.", param=param, code="parameter_missing")
    return values[name]


def _check_amount(amount: int, currency: str) -> None:
    least = money.minimum(currency)
    if amount < least:
        raise invalid(
            "The Checkout Session's total amount due must add up to at least"
            f" {money.display(least, currency)}.",
            code="amount_too_small",
        )
    if amount > money.MAXIMUM:
        most = money.display(money.MAXIMUM, currency)
        raise invalid(f"The total amount due must be no more than {most}.", code="amount_too_large")
    if currency in money.THREE_DECIMAL and amount % 10:
        raise invalid(f"Amounts in {currency.upper()} must be multiples of 10.")


def _check_texts(values: dict[str, Any]) -> None:
    for name in ("success_url", "cancel_url"):
        if name in values and not values[name].startswith(("http://", "https://")):
            raise invalid("Not a valid URL", param=name, code="url_invalid")
    email = values.get("customer_email")
    if email is not None and not is_email(email):
        raise invalid(
            f"Invalid email address: {email}", param="customer_email", code="email_invalid"
        )
    if len(values.get("client_reference_id", "")) > 200:
        raise invalid("At most 200 characters are allowed.", param="client_reference_id")
    metadata.check(values.get("metadata"))
    intent_data = values.get("payment_intent_data") or {}
    metadata.check(intent_data.get("metadata"), "payment_intent_data[metadata]")


def _check_expiry(expires_at: int | None, *, now: int) -> None:
    # No `param`: at least one version of the real API names none here.
    if expires_at is None:
        return
    if expires_at < now + SHORTEST_S:
        raise invalid("`expires_at` must be at least 30 minutes from Checkout Session creation.")
    if expires_at > now + LONGEST_S:
        raise invalid("`expires_at` must be within 24 hours from Checkout Session creation.")


def _method_types(values: dict[str, Any], currency: str) -> list[str]:
    """What can pay this session: cards always; UPI and SEPA in their currency, never by hand."""
    allowed = values.get("allowed_payment_method_types")
    excluded = values.get("excluded_payment_method_types") or []
    if allowed and excluded:
        raise invalid("You may only allow or exclude payment method types, not both.")
    manual = (values.get("payment_intent_data") or {}).get("capture_method") == "manual"
    local = None if manual else _LOCAL.get(currency)
    offered = ["card", local] if local else ["card"]
    types = [type for type in offered if type not in excluded and type in (allowed or offered)]
    if not types:
        raise invalid("No valid payment method types for this Checkout Session.")
    return types
