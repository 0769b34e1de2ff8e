"""Builds Stripe's objects as they are when born. What happens to them later is not decided here."""

import random
import string
from typing import Any

from gateway.dev.sandbox import details
from gateway.dev.sandbox.instruments import NOT_AUTHENTICATED, Instrument, Refusal
from gateway.dev.sandbox.skeletons import blank
from gateway.dev.sandbox.store import Object

API_VERSION = "2026-10-28.endive"  # What stripe-python 16.1.0 pins.

_random = random.SystemRandom()


def new_id(prefix: str, length: int = 24) -> str:
    return prefix + "".join(_random.choices(string.ascii_letters + string.digits, k=length))


def session(values: dict[str, Any], *, amount: int, currency: str, types: list[str], now: int,
            base_url: str) -> Object:  # fmt: skip
    """An open Checkout Session; `values` are the checked parameters of the request."""
    id = new_id("cs_test_", 58)
    email = values.get("customer_email")
    echoed = {
        name: values[name]
        for name in ("allowed_payment_method_types", "excluded_payment_method_types", "locale",
                     "cancel_url", "success_url", "client_reference_id", "submit_type")
        if name in values
    }  # fmt: skip
    return blank(
        "checkout.session",
        id=id,
        created=now,
        expires_at=values.get("expires_at", now + 86400),
        status="open",
        payment_status="unpaid",
        mode="payment",
        ui_mode="hosted_page",
        url=f"{base_url}/c/pay/{id}",
        amount_subtotal=amount,
        amount_total=amount,
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        currency=currency,
        customer_creation="if_required",
        customer_email=email,
        customer_details=customer_details(email) if email else None,
        metadata=values.get("metadata") or {},
        payment_method_collection="if_required",
        payment_method_types=types,
        payment_method_options={},
        phone_number_collection={"enabled": False},
        **echoed,
    )


def customer_details(email: str | None) -> Object:
    names = ("address", "business_name", "individual_name", "name", "phone", "tax_ids")
    return dict.fromkeys(names) | {"email": email, "tax_exempt": "none", "tax_ids": []}


def intent(session: Object, data: dict[str, Any], *, now: int) -> Object:
    """The PaymentIntent of a session, born at the first attempt to pay.

    It gets the metadata of `payment_intent_data`; the session's own metadata is never copied.
    """
    id = new_id("pi_3")
    copied = ("description", "receipt_email", "setup_future_usage", "statement_descriptor",
              "statement_descriptor_suffix", "transfer_group")  # fmt: skip
    return blank(
        "payment_intent",
        id=id,
        created=now,
        amount=session["amount_total"],
        currency=session["currency"],
        capture_method=data.get("capture_method", "automatic_async"),
        confirmation_method="automatic",
        client_secret=f"{id}_secret_{new_id('', 25)}",
        metadata=data.get("metadata") or {},
        payment_method_options={},
        payment_method_types=session["payment_method_types"],
        status="requires_payment_method",
        **{name: data[name] for name in copied if name in data},
    )


def payment_method(instrument: Instrument, *, now: int) -> Object:
    return blank(
        "payment_method",
        id=new_id("pm_1"),
        created=now,
        type=instrument.type,
        metadata={},
        billing_details=details.billing(instrument),
    ) | {instrument.type: details.of_method(instrument)}


def charge(intent: Object, method: Object, instrument: Instrument, *, now: int) -> Object:
    """A charge that succeeded, failed or is pending, as the instrument says.

    A pending one is captured, since nobody will capture it by hand, but not paid.
    """
    refusal = instrument.refusal
    captured = not refusal and intent["capture_method"] != "manual"
    result = blank(
        "charge",
        id=new_id("ch_3" if instrument.type == "card" else "py_3"),
        created=now,
        amount=intent["amount"],
        amount_captured=intent["amount"] if captured else 0,
        captured=captured,
        paid=not refusal and not instrument.is_slow,
        status="failed" if refusal else "pending" if instrument.is_slow else "succeeded",
        currency=intent["currency"],
        description=intent["description"],
        metadata=intent["metadata"],
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={
            "type": instrument.type,
            instrument.type: details.of_charge(intent, instrument, now=now),
        },
        billing_details=details.billing(instrument),
        failure_code=refusal.code if refusal else None,
        failure_message=refusal.message if refusal else None,
        fraud_details={},
        outcome=details.outcome(refusal),
    )
    del result["refunds"]  # Present only when expanded.
    return result


def payment_error(refusal: Refusal, method: Object, charge_id: str | None) -> Object:
    """`last_payment_error`, which is also the body of a card error."""
    card_error = method["type"] == "card" and refusal is not NOT_AUTHENTICATED
    fields = {
        "charge": charge_id,
        "code": refusal.code,
        "decline_code": refusal.decline_code,
        "message": refusal.message,
        "payment_method": method,
        "type": "card_error" if card_error else "invalid_request_error",
    }
    return {name: value for name, value in fields.items() if value is not None}


def event(type: str, obj: Object, *, now: int, request_id: str | None,
          idempotency_key: str | None, previous: Object | None) -> Object:  # fmt: skip
    data = {"object": obj} | ({"previous_attributes": previous} if previous else {})
    result = blank(
        "event",
        id=new_id("evt_1"),
        api_version=API_VERSION,
        created=now,
        data=data,
        pending_webhooks=0,
        request={"id": request_id, "idempotency_key": idempotency_key},
        type=type,
    )
    del result["account"], result["context"]  # Only Connect has them.
    return result


def line_item(item: dict[str, Any]) -> Object:
    return blank(
        "item",
        id=new_id("li_1"),
        amount_subtotal=item["amount"],
        amount_total=item["amount"],
        currency=item["currency"],
        description=item["name"],
        quantity=item["quantity"],
    )


def collection(url: str, data: list[Object], *, has_more: bool = False) -> Object:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def refund(charge: Object, values: dict[str, Any], *, amount: int, status: str,
           now: int) -> Object:  # fmt: skip
    type = charge["payment_method_details"]["type"]
    return blank(
        "refund",
        id=new_id("re_3" if type == "card" else "pyr_3"),
        created=now,
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details=details.of_refund(type),
        metadata=values.get("metadata") or {},
        payment_intent=charge["payment_intent"],
        payment_method=charge["payment_method"],
        pending_reason="processing" if status == "pending" else None,
        reason=values.get("reason"),
        status=status,
    )


def dispute(charge: Object, *, reason: str, amount: int, now: int) -> Object:
    result = blank(
        "dispute",
        id=new_id("du_1"),
        created=now,
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        payment_method_details=details.of_dispute(charge, reason),
        reason=reason,
        metadata={},
    )
    result["evidence_details"]["submission_method"] = "not_submitted"
    return result
