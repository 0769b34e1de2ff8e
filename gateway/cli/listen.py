"""`gateway listen`: a merchant's events, as they happen, to a program on this machine.

For developers: signed and shaped like callbacks, without an endpoint to register. It writes
nothing, leads to no other machine, and refuses to run in production.
"""

import json
import re
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from os import urandom
from typing import Any, NoReturn

import click
import requests
from marshmallow import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.callbacks import feed
from gateway.callbacks.catalogue import EVERYTHING
from gateway.callbacks.feed_schemas import MOST, TypeNames
from gateway.callbacks.signing import body_of, headers_of
from gateway.cli import main_group
from gateway.cli.merchants import find
from gateway.dev.seed import MERCHANT
from gateway.kernel.db import assert_no_transaction, transaction
from gateway.kernel.events import Event
from gateway.kernel.heartbeats import alive
from gateway.kernel.http import Caller
from gateway.merchants.models import Merchant
from gateway.settings import settings

ACTOR = "operator:listen"
LOOK_SECONDS = 0.3  # between two looks at a feed that has nothing new
TRIES, WAIT_SECONDS = 3, 1.0  # for each event; a program that restarts is back by then
SECRET_BYTES = 32
_HERE = re.compile(r"https?://(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?([/?][!-~]*)?")


def _here(_: Any, __: Any, url: str) -> str:
    if not _HERE.fullmatch(url):
        raise click.BadParameter("must lead to this machine, such as http://127.0.0.1:9000/hooks")
    return url


def _types(_: Any, __: Any, named: str | None) -> list[str] | None:
    if named in (None, EVERYTHING):
        return None
    try:
        return list(TypeNames().deserialize(named))
    except ValidationError as error:
        raise click.BadParameter(" ".join(map(str, error.messages))) from None


def _secret(_: Any, __: Any, given: str | None) -> str:
    if given is None:
        return f"whsec_{b64encode(urandom(SECRET_BYTES)).decode()}"
    try:
        sound = given.startswith("whsec_") and b64decode(given[6:], validate=True)
    except ValueError:
        sound = False
    if not sound:
        raise click.BadParameter("must be whsec_ and Base64, as an endpoint's secret is")
    return given


@main_group.command()
@click.option("--forward-to", "url", required=True, callback=_here, help="Where to POST events.")
@click.option("--merchant", help="Whose events: an id or a name; needed if there are several.")
@click.option("--livemode", is_flag=True, help="Those of live mode; the default is test mode.")
@click.option("--events", "types", callback=_types, help="Only these types, as a.b,c.d.")
@click.option(
    "--since",
    type=click.IntRange(0, MOST),
    metavar="SEQUENCE",
    help="Begin after this number, 0 for all; the default is what happens from now on.",
)
@click.option("--secret", callback=_secret, help="Sign with this whsec_...; else with a fresh one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
def listen(
    url: str,
    merchant: str | None,
    livemode: bool,
    types: list[str] | None,
    since: int | None,
    secret: str,
    as_json: bool,
) -> None:
    """Forward a merchant's events to a program on this machine, signed like callbacks.

    One after the other, in their order. One that is not accepted with a 2xx is tried three times,
    a second apart; then the next one has its turn. Nothing is kept: --since sends them again.
    Ctrl-C ends it. Not in production.
    """
    if settings().is_production:
        raise click.ClickException("In production events go to registered endpoints only.")
    with transaction(actor=ACTOR) as tx:
        owner = find(tx, merchant) if merchant else _only(tx)
        caller = Caller(merchant_id=owner.id, livemode=livemode, key_id="none")
        after = feed.last(tx, caller) if since is None else since
        relayed = any(pulse.kind == "relay" for pulse in alive(tx))
    listening = Listening(caller, url, secret, types, after, as_json)
    try:
        listening.begin(owner.name)
        if not relayed:
            click.echo(
                "No relay was heard of lately. Nothing comes without: gateway relay", err=True
            )
        listening.run()
    except KeyboardInterrupt:
        listening.end()


def _only(tx: Session) -> Merchant:
    """The one merchant there is, or the demo's."""
    found = list(tx.scalars(select(Merchant).order_by(Merchant.id).limit(2)))
    if not found:
        raise click.ClickException("There is no merchant yet: gateway merchants create NAME")
    if len(found) == 1:
        return found[0]
    demo = tx.scalar(select(Merchant).filter_by(name=MERCHANT))
    if demo is None:
        raise click.UsageError("Whose events? --merchant; see: gateway merchants list")
    return demo


@dataclass(frozen=True)
class Answer:
    """`status` is None when no answer came; `error` says why it will not do."""

    status: int | None
    ms: int
    error: str | None


@dataclass
class Listening:
    """`after` is the last number that was done with, accepted or given up."""

    caller: Caller
    url: str
    secret: str
    types: list[str] | None
    after: int
    as_json: bool
    accepted: int = 0
    given_up: int = 0

    def begin(self, name: str) -> None:
        mode = "live" if self.caller.livemode else "test"
        self.say(
            f"The {mode} events of {name} ({self.caller.merchant_id}) after number {self.after}"
            f" go to {self.url}\nsigned with {self.secret}\nCtrl-C ends it.",
            {
                "merchant": self.caller.merchant_id,
                "livemode": self.caller.livemode,
                "forward_to": self.url,
                "since": self.after,
                "secret": self.secret,
            },
        )

    def run(self) -> NoReturn:
        while True:
            with transaction(actor=ACTOR) as tx:
                page = feed.page(tx, self.caller, after=self.after, limit=100, types=self.types)
            for event in page.data:
                self.forward(event)
            self.after = page.next_after
            if not page.has_more:
                time.sleep(LOOK_SECONDS)

    def forward(self, event: Event) -> None:
        for attempt in range(1, TRIES + 1):
            answer = self.post(event)
            done = answer.error is None or attempt == TRIES
            if done:  # counted before it is shown: whoever has read the line may press Ctrl-C
                self.accepted += answer.error is None
                self.given_up += answer.error is not None
                self.after = event.sequence or 0
            self.report(event, attempt, answer)
            if done:
                return
            time.sleep(WAIT_SECONDS)

    def post(self, event: Event) -> Answer:
        assert_no_transaction()
        body, began = body_of(event), time.monotonic()
        signed = headers_of(
            event_id=event.id, body=body, secrets=[self.secret], at=datetime.now(UTC)
        )
        status, error = None, None
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy stands between two programs of one machine
                status = session.post(
                    self.url,
                    data=body,
                    headers=signed | {"Content-Type": "application/json"},
                    timeout=settings().callback_timeout,
                    allow_redirects=False,
                ).status_code
        except requests.Timeout:
            error = "No answer in time."
        except requests.RequestException:
            error = "Nothing answers there."
        if status is not None and not 200 <= status < 300:
            error = "Not a 2xx."
        return Answer(status, round((time.monotonic() - began) * 1000), error)

    def report(self, event: Event, attempt: int, answer: Answer) -> None:
        then = f"Again in {WAIT_SECONDS:g} s." if attempt < TRIES else "Given up; the next one."
        more = f"  {answer.error} {then}" if answer.error else ""
        self.say(
            f"{event.sequence:>6}  {event.type:<26}  {event.id}"
            f"  {answer.status or '---'}  {answer.ms} ms{more}",
            {"type": event.type, "id": event.id, "sequence": event.sequence, "attempt": attempt}
            | vars(answer),
        )

    def end(self) -> None:
        self.say(
            f"\n{self.accepted} accepted, {self.given_up} given up."
            f" To go on from here: --since {self.after}",
            {"accepted": self.accepted, "given_up": self.given_up, "since": self.after},
        )

    def say(self, words: str, facts: dict[str, Any]) -> None:
        click.echo(json.dumps(facts) if self.as_json else words)
