"""A gateway that stands for a whole file, with one of everything in it, and a list of its routes.

The routes are read from the application, so that a new one is covered as soon as it is declared.
"""

import re
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from gateway.app import create_app
from gateway.captures import service as captures
from gateway.kernel import runs
from gateway.kernel.db import lock, transaction
from gateway.kernel.http import PREFIX, Declared
from gateway.kernel.runs import RunStatus
from gateway.merchants import service as merchants
from gateway.openapi.document import path_of
from gateway.payments.models import Payment, PaymentStatus
from gateway.processor.types import StripeDispute
from gateway.reconciliation.compare import Difference
from gateway.reconciliation.discrepancies import bring_up
from gateway.reconciliation.models import Discrepancy, Kind
from gateway.refunds import service as refunds
from gateway.settings import settings
from gateway.settlement import movements
from workers.relay import Relay

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
PLAIN = {"amount": 1999, "currency": "EUR"}
BUSY = {"api_keys", "heartbeats"}  # their last use is written by a clock of its own


@dataclass(frozen=True)
class Route:
    """One that a door guards; `path` has its parameters in braces, and no prefix."""

    path: str
    declared: Declared
    given: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def method(self) -> str:
        return self.declared.method

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def at(self, value: str) -> str:
        """Its path with `value` for every parameter."""
        return re.sub(r"{\w+}", lambda _: value, self.path)

    def example(self) -> dict[str, Any]:
        """A body that it takes."""
        accepts = self.declared.accepts
        return accepts.described["examples"][0] | self.given if accepts is not None else {}

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Standing:
    """An application on a database of its own, and three keys to it: ours, our live one, theirs."""

    def __init__(self) -> None:
        self.app = create_app()
        self.client: FlaskClient = self.app.test_client()
        with transaction(actor="test:setup") as tx:
            ours, theirs = (merchants.create(tx, name=name) for name in ("Ours", "Theirs"))
            keys = [
                merchants.create_key(tx, merchant, livemode=livemode)
                for merchant, livemode in ((ours, False), (ours, True), (theirs, False))
            ]
            self.own, self.live, self.theirs = (
                {"X-Api-Key": key.key, "X-Api-Secret": key.secret} for key in keys
            )
        self.routes = routes(self.app)
        self._numbers = count(1)
        self._furnish()

    def number(self) -> int:
        """Never the same twice, for references."""
        return next(self._numbers)

    def _furnish(self) -> None:
        hook = {"url": "http://127.0.0.1:1/hook", "events": ["*"]}
        made = self.call("POST", "/webhook-endpoints", json=hook)
        assert made.status_code == 201
        replay = f"/webhook-endpoints/{made.json['id']}/replay"
        asked = self.call("POST", replay, json={"since": "2025-01-31T09:30:00Z"})
        assert asked.status_code == 202
        self.replay = asked.json["id"]
        body = {"order_id": "standing-1"} | PLAIN
        assert self.call("POST", "/payments", json=body).status_code == 201
        assert self.call("PUT", "/inventory/teapot", json={"on_hand": 100_000}).status_code == 200
        self.below = self._move_money() | self._differ()
        self._open_checkout()
        Relay(lambda hints: None).run_once()

    def _move_money(self) -> dict[str, str]:
        """A payment with one of everything that can be below it, as if Stripe had said so."""
        paid = self.paid()
        with transaction(actor="test:setup") as tx:
            payment = lock(tx, Payment, paid)
            capture = captures.start(tx, payment, amount=1999)
            refund = refunds.start(tx, payment, amount=1)
            movements.apply_disputes(tx, payment, (StripeDispute("dp_1", "lost", 1, "EUR"),))
            return {"captures": capture.id, "refunds": refund.id}

    def _differ(self) -> dict[str, str]:
        """A run of reconciliation that has found something to differ of a payment of ours."""
        payment_id = self.paid()
        with transaction(actor="test:setup") as tx:
            run = runs.start(tx, "reconcile")
            run.params = {"livemode": False}
            payment = lock(tx, Payment, payment_id)
            gone = Difference(
                Kind.MISSING_THERE, payment_id, {"status": "succeeded"}, None, "Gone."
            )
            bring_up(tx, run, gone, payment=payment)
            run.finish(tx, RunStatus.SUCCEEDED)
            found = tx.scalars(select(Discrepancy.id)).one()
        return {"discrepancies": found, "reconciliations": run.id}

    def _open_checkout(self) -> None:
        """One that is open; from here on an example opens it again."""
        order = self.call("POST", "/orders", json=PLAIN).json["id"]
        asked = {"key": self.own["X-Api-Key"], "order_id": order, "origin": settings().base_url}
        made = self.call("POST", "/checkout", json=asked)
        assert made.status_code == 201
        self.secret = made.json["client_secret"]
        cancel = {"cancel_token": made.json["cancel_token"]}
        given = {"/checkout": asked, "/checkout/{client_secret}/cancel": cancel}
        self.routes = [replace(each, given=given.get(each.path, {})) for each in self.routes]

    def paid(self) -> str:
        """The id of another payment that has succeeded, as if Stripe had said so."""
        body = {"order_id": f"paid-{self.number()}"} | PLAIN
        made = self.call("POST", "/payments", json=body | {"capture_method": "manual"}).json
        with transaction(actor="test:setup") as tx:
            payment = lock(tx, Payment, made["id"])
            payment.transition_to(PaymentStatus.SUCCEEDED, amount_captured=1999, due_at=None)
        return str(made["id"])

    def call(self, method: str, path: str, **what: Any) -> Any:
        """As our merchant unless `keys` are another's; `headers` come on top of them."""
        headers = what.pop("keys", self.own) | what.pop("headers", {})
        return self.client.open(f"{PREFIX}{path}", method=method, headers=headers, **what)

    def standing_path(self, route: Route) -> str:
        """The route's path to something of ours that is really there."""
        if not route.parameters:
            return route.path
        kind = route.path.split("/")[1]
        if kind == "checkout":
            return route.at(self.secret)
        if kind in self.below:
            return route.at(self.below[kind])
        rows = self.call("GET", f"/{kind}").json["data"]
        assert rows, f"there is none of {kind}: furnish it"
        path = route.path.replace("{replay_id}", self.replay)
        return replace(route, path=path).at(rows[-1].get("id") or rows[-1]["sku"])

    def fresh_path(self, route: Route) -> str:
        """The route's path to something that takes it, since not everything does so twice."""
        if route.path.startswith("/orders/{"):
            return route.at(self.call("POST", "/orders", json=PLAIN).json["id"])
        if route.path == "/payments/{payment_id}/refunds":
            return route.at(self.paid())
        path = self.standing_path(route)
        if path.endswith("/disable"):
            self.call("POST", f"{path.removesuffix('disable')}enable")
        return path

    def delete(self, route: Route, made: Any) -> None:
        """Take away what a call has made, where it can be: of some things there may be few."""
        if any(
            each.method == "DELETE" and each.path == f"{route.path}/{{{each.parameters[0]}}}"
            for each in self.routes
            if each.parameters
        ):
            self.call("DELETE", f"{route.path}/{made['id']}")

    @property
    def guarded(self) -> list[Route]:
        """Those that need a secret."""
        return [route for route in self.routes if not route.declared.public]

    @property
    def writes(self) -> list[Route]:
        return [route for route in self.routes if route.declared.door == "write"]

    def state(self) -> dict[str, str]:
        """A digest of every table, to be compared with a later one."""
        with transaction(actor="test:state") as tx:
            tables = [name for name in tx.scalars(text(_TABLES)) if name not in BUSY]
            whole = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"
            return {name: tx.scalar(text(whole.format(name))) or "" for name in tables}


def routes(app: Flask) -> list[Route]:
    found = []
    for rule in app.url_map.iter_rules():
        declared = getattr(app.view_functions[rule.endpoint], "declared", None)
        if declared is not None:
            found.append(Route(path_of(rule).removeprefix(PREFIX), declared))
    assert len(found) > 15
    return found


class Faults:
    """Collects what was wrong over many requests, so that one bad route does not hide the next."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def check(self, what: str, check: Any, *args: Any) -> None:
        try:
            check(*args)
        except AssertionError as error:
            self.found.append(f"{what}: {str(error)[:300]}")

    def none(self) -> None:
        assert not self.found, "\n".join([f"{len(self.found)} faults", *self.found[:20]])
