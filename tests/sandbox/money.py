"""Paid and authorised charges to start from, for tests of what happens to them afterwards."""

from typing import Any

import pytest
import stripe

from .support import OK_CARD, Server

MANUAL = {"payment_intent_data": {"capture_method": "manual"}}
HOUR, DAY = 3600, 86400


def paid(sandbox: Server, number: str = OK_CARD, **changes: Any) -> Any:
    """The intent of a session that was paid, or only authorised, with its charge expanded."""
    session = sandbox.create(**changes)
    assert sandbox.pay(session.id, number).status_code == 303
    return sandbox.session(session.id).payment_intent


def authorised(sandbox: Server, number: str = OK_CARD) -> Any:
    return paid(sandbox, number, **MANUAL)


def charge_of(sandbox: Server, intent: Any) -> Any:
    """The charge as it is now, with its refunds."""
    expand = ["refunds", "balance_transaction"]
    return sandbox.client.v1.charges.retrieve(intent.latest_charge.id, {"expand": expand})


def later(sandbox: Server, seconds: int) -> None:
    assert sandbox.lever("POST", "clock", {"advance_s": seconds}).ok


def refused(call: Any, *args: Any, status: int = 400) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(*args)
    assert caught.value.http_status == status
    return caught.value
