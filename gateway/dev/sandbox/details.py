"""The parts of payment methods and charges that follow from the instrument alone."""

from gateway.dev.sandbox.instruments import Instrument, Refusal
from gateway.dev.sandbox.store import Object

CAPTURE_WINDOW_S = 7 * 86400


def billing(instrument: Instrument) -> Object:
    names = ("address", "email", "name", "phone", "tax_id")
    return dict.fromkeys(names) | {"email": instrument.email}


def of_method(instrument: Instrument) -> Object:
    if instrument.type == "upi":
        return instrument.details
    if instrument.type == "sepa_debit":
        return _account(instrument) | {"generated_from": None}
    return instrument.details | {
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "unchecked",
        },
        "display_brand": instrument.details["brand"],
        "fingerprint": f"sandbox{instrument.details['last4']}",
        "funding": "credit",
        "generated_from": None,
        "networks": {"available": [instrument.details["brand"]], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def of_charge(intent: Object, instrument: Instrument, *, now: int) -> Object:
    if instrument.type == "upi":
        return instrument.details
    if instrument.type == "sepa_debit":
        return _account(instrument) | {"expected_debit_date": None, "mandate": None}
    wrong_cvc = instrument.refusal is not None and instrument.refusal.code == "incorrect_cvc"
    details = instrument.details | {
        "amount_authorized": None if instrument.refusal else intent["amount"],
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "fail" if wrong_cvc else "pass",
        },
        "fingerprint": f"sandbox{instrument.details['last4']}",
        "funding": "credit",
        "installments": None,
        "mandate": None,
        "network": instrument.details["brand"],
        "three_d_secure": None,
        "wallet": None,
    }
    if intent["capture_method"] == "manual" and not instrument.refusal:
        details["capture_before"] = now + CAPTURE_WINDOW_S
    return details


def _account(instrument: Instrument) -> Object:
    fingerprint = f"sandbox{instrument.details['last4']}"
    return instrument.details | {
        "bank_code": None,
        "branch_code": None,
        "fingerprint": fingerprint,
    }


def outcome(refusal: Refusal | None) -> Object:
    if refusal is None:
        return {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "not_sent_to_network" if refusal.blocked else "declined_by_network",
        "reason": "highest_risk_level" if refusal.blocked else refusal.decline_code or refusal.code,
        "risk_level": "highest" if refusal.blocked else "normal",
        "seller_message": refusal.message,
        "type": "blocked" if refusal.blocked else "issuer_declined",
    }


def of_dispute(charge: Object, reason: str) -> Object | None:
    card = charge["payment_method_details"].get("card")
    if card is None:
        return None
    # Visa's two most usual codes: fraud, and goods that did not arrive.
    code = "10.4" if reason == "fraudulent" else "13.1"
    return {
        "type": "card",
        "card": {
            "brand": card["brand"],
            "case_type": "chargeback",
            "network": card["brand"],
            "network_reason_code": code,
        },
    }


def of_refund(type: str) -> Object:
    """Only cards have a reference by which the shopper's bank knows the refund."""
    card = {
        "reference_status": "pending",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    }
    return {"type": type} | ({"card": card} if type == "card" else {})
