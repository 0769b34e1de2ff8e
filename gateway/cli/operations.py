"""Looking after a running gateway: what needs attention, reviews, the clock of a test."""

import re
from typing import Any

import click
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from gateway.cli import json_option, main_group, show
from gateway.cli.following import ACTOR
from gateway.health import OWING
from gateway.kernel.db import held, now, transaction
from gateway.payments.models import PaymentStatus, Resolution
from gateway.settings import settings
from gateway.settlement import review as reviews

FARTHEST = 10 * 366 * 86400  # seconds that one move may take the clock
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@main_group.command()
@click.option("--settled", metavar="ID", help="Somebody has seen to it: do not show ID any more.")
@json_option
def attention(settled: str | None, as_json: bool) -> None:
    """List what somebody should look at: rows that cannot go on by themselves, and why."""
    with transaction(actor=ACTOR) as tx:
        if settled is not None:
            _settle(tx, settled)
        found = [
            {"kind": model.KIND, "id": row.id, "why": row.needs_attention, "next": row.due_at}
            for model in OWING
            for row in tx.scalars(select(model).where(model.needs_attention.is_not(None)))
        ]
    if as_json:
        show({"data": found}, as_json=True)
        return
    for row in found:
        click.echo(f"{row['id']}  {row['why']}  next try: {row['next'] or 'none'}")
    if not found:
        click.echo("Nothing needs attention.")


def _settle(tx: Session, id: str) -> None:
    """Only what will not be tried again can be settled by saying so."""
    for model in OWING:
        row = tx.scalar(held(select(model).where(model.id == id)))
        if row is None or row.needs_attention is None:
            continue
        if row.due_at is not None or row.status == PaymentStatus.REVIEW:
            raise click.ClickException(f"{id} is not at an end: {row.needs_attention}")
        row.needs_attention = None
        return
    raise click.ClickException(f"Nothing with the id {id!r} needs attention.")


@main_group.command()
@click.argument("payment", required=False)
@click.argument("decision", required=False, type=click.Choice([each.value for each in Resolution]))
@json_option
def review(payment: str | None, decision: str | None, as_json: bool) -> None:
    """List payments under review, or decide: `gateway review PAYMENT accept|refund`.

    Stripe has reported another amount, currency or mode than was asked for. `accept` takes what it
    reports as right; `refund` gives back whatever was taken.
    """
    if payment is not None and decision is None:
        raise click.UsageError("Decide: accept or refund. Without a payment all are listed.")
    with transaction(actor=ACTOR) as tx:
        if payment is not None and decision is not None:
            decided = reviews.resolve(tx, payment, Resolution(decision))
            result = {"id": decided.id, "status": decided.status, "decision": decision}
            show(result | {"next": decided.due_at}, as_json=as_json)
            return
        found = [
            {
                "id": row.id,
                "asked_for": f"{row.amount} {row.currency}",
                "reported": row.reported,
                "decision": row.resolution,
            }
            for row in reviews.waiting(tx)
        ]
    if as_json:
        show({"data": found}, as_json=True)
        return
    for each in found:
        decided_on = each["decision"] or "not decided"
        click.echo(f"{each['id']}  {each['asked_for']}, {_told(each['reported'])}; {decided_on}")
    if not found:
        click.echo("No payment is under review.")


def _told(figures: Any) -> str:
    figures = figures or {}
    mode = "live" if figures.get("livemode") else "test"
    return f"Stripe reports {figures.get('amount')} {figures.get('currency')} in {mode} mode"


@main_group.command(context_settings={"ignore_unknown_options": True})
@click.argument("move", required=False)
@json_option
def clock(move: str | None, as_json: bool) -> None:
    """Show the one clock, or move it: `gateway clock +3d` (s, m, h, d). Not in production."""
    if settings().is_production and move:
        raise click.ClickException("The clock of a production gateway cannot be moved.")
    with transaction(actor=ACTOR) as tx:
        if move:
            _advance(tx, _seconds(move))
        offset = tx.scalar(text("SELECT offset_seconds FROM clock"))
        at = tx.scalar(text("SELECT gateway_now()")) or now(tx)
    show({"now": at.isoformat(), "offset_seconds": offset}, as_json=as_json)


def _seconds(move: str) -> int:
    match = re.fullmatch(r"\+?(\d{1,9})([smhd]?)", move)
    if match is None:
        raise click.BadParameter("must look like +90s, +15m, +2h or +3d; it only goes forward")
    seconds = int(match[1]) * _UNITS[match[2] or "s"]
    if seconds > FARTHEST:
        raise click.BadParameter("goes ten years at most")
    return seconds


def _advance(tx: Session, seconds: int) -> None:
    tx.execute(text("UPDATE clock SET offset_seconds = offset_seconds + :n"), {"n": seconds})
