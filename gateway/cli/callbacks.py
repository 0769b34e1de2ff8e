"""Callbacks, for operators: tell an endpoint again what happened in a time."""

import re
import sys
from datetime import datetime, timedelta
from typing import Any

import click
from marshmallow import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.callbacks import replays
from gateway.callbacks.models import DeliveryStatus, Endpoint, EndpointStatus
from gateway.callbacks.replays import Replay
from gateway.cli import json_option, main_group, show
from gateway.cli.following import ACTOR, follow, missing, timeout_option
from gateway.kernel.db import held, now, transaction
from gateway.kernel.errors import NotFound
from gateway.kernel.fields import instant
from gateway.kernel.runs import RunStatus

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SLOW = "It is not over yet, and goes on by itself."


def when(text: str) -> datetime | timedelta:
    """`2h` is so long ago; or RFC 3339 with its offset."""
    if ago := re.fullmatch(r"(\d{1,5})([smhd])", text):
        return timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
    try:
        return instant(text)
    except ValidationError:
        words = "must look like 90s, 15m, 2h or 3d (ago), or 2026-01-31T09:30:00Z"
        raise click.BadParameter(words) from None


@main_group.command()
@click.argument("endpoint")
@click.option(
    "--since", type=when, required=True, metavar="WHEN", help="2h (ago), or 2026-01-31T09:30:00Z."
)
@click.option("--until", type=when, metavar="WHEN", help="The same; now, if it is left out.")
@click.option(
    "--status",
    type=click.Choice([each.value for each in DeliveryStatus]),
    help="Only deliveries in this status.",
)
@click.option("--dry-run", is_flag=True, help="Only count.")
@timeout_option
@json_option
def replay(
    endpoint: str,
    since: datetime | timedelta,
    until: datetime | timedelta | None,
    status: str | None,
    dry_run: bool,
    timeout: int,
    as_json: bool,
) -> None:
    """Tell ENDPOINT (we_...) again what happened in a time, and what it never heard.

    Deliveries wait in the endpoint's lane and are sent at its pace; this shows how many are on
    their way. Ctrl-C ends the watching, not the replay.
    """
    with transaction(actor=ACTOR) as tx:
        found = _endpoint(tx, endpoint)
        asked: dict[str, Any] = {"since": _at(tx, since), "until": _at(tx, until), "status": status}
        begun = (replays.count if dry_run else replays.begin)(tx, found, **asked)
    if begun.id is None:
        show(_told(begun), as_json=as_json)
        return
    run = follow(begun.id, timeout, words="Into the lane", quiet=as_json)
    result = _told(Replay.of(run))
    if run.status != RunStatus.SUCCEEDED:
        result["error"] = run.error or missing(queues=("clock",), otherwise=SLOW)
    show(result, as_json=as_json)
    sys.exit(0 if run.status == RunStatus.SUCCEEDED else 1)


def _endpoint(tx: Session, endpoint_id: str) -> Endpoint:
    """Locked, as `begin` wants it."""
    there = Endpoint.status != EndpointStatus.DELETED
    found = tx.scalar(held(select(Endpoint).where(Endpoint.id == endpoint_id, there)))
    if found is None:
        raise NotFound(f"There is no webhook endpoint {endpoint_id!r}.")
    return found


def _at(tx: Session, when: datetime | timedelta | None) -> datetime | None:
    return now(tx) - when if isinstance(when, timedelta) else when


def _told(replay: Replay) -> dict[str, Any]:
    return {
        "replay": replay.id,
        "status": replay.status,
        "looked_at": replay.done,
        "total": replay.total,
        "deliveries": replay.deliveries,
    }
