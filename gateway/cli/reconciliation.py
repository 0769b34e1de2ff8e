"""Comparing with Stripe: run it, read what differed, say what was done about it, and the proofs."""

import csv
import getpass
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.cli import json_option, main_group, show
from gateway.cli.following import ACTOR, follow, missing, timeout_option
from gateway.kernel import runs
from gateway.kernel.db import now, transaction
from gateway.kernel.runs import Run, RunStatus
from gateway.reconciliation import discrepancies as found_before
from gateway.reconciliation import invariants, report, service
from gateway.reconciliation.models import Discrepancy, DiscrepancyStatus, Kind

SLOW = "Stripe has not answered for all of them yet; the run goes on. See /readyz."
_AGO = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Moment(click.ParamType[datetime]):
    """A time, or how long ago: 2026-01-31, 2026-01-31T09:30:00Z, 90m, 6h, 3d."""

    name = "WHEN"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if match := _AGO.fullmatch(value):
            with transaction(actor=ACTOR) as tx:
                return now(tx) - timedelta(**{_UNITS[match[2]]: int(match[1])})
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: 2026-01-31T09:30:00Z, 2026-01-31, 90m, 6h or 3d")
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@main_group.command()
@click.option("--since", type=Moment(), help="From then on; the default: since the last run.")
@click.option("--until", type=Moment(), help="Before then; the default: now.")
@click.option("--dry-run", is_flag=True, help="Only tell what differs: change nothing.")
@timeout_option
@json_option
def reconcile(
    since: datetime | None, until: datetime | None, dry_run: bool, timeout: int, as_json: bool
) -> None:
    """Compare everything with Stripe, mend what Stripe knows better, and tell what differs.

    Covers what Stripe made from SINCE to UNTIL (RFC 3339, a date, or 90m, 6h, 3d ago), and every
    payment that is not at an end, however old. The exit status is 0 when it came to its end, be
    there discrepancies or not: see `gateway discrepancies`.
    """
    with transaction(actor=ACTOR) as tx:
        _check(tx, since, until)
        asked = {"since": since, "until": until}
        params: dict[str, Any] = {
            name: at.isoformat() for name, at in asked.items() if at is not None
        }
        if params or dry_run:
            params |= {"dry_run": dry_run, runs.PART: True}
        run_id = runs.start(tx, service.JOB, params=params).id
    run = follow(run_id, timeout, words="Comparing with Stripe", quiet=as_json)
    with transaction(actor=ACTOR) as tx:
        result = _result(tx, run)
    if run.status != RunStatus.SUCCEEDED:
        result["error"] = run.error or missing(queues=("clock", "stripe"), otherwise=SLOW)
    if as_json:
        show(result, as_json=True)
    else:
        _tell(result)
    sys.exit(0 if run.status == RunStatus.SUCCEEDED else 1)


def _check(tx: Session, since: datetime | None, until: datetime | None) -> None:
    if until is not None and until > now(tx):
        raise click.BadParameter("lies in the future", param_hint="--until")
    if since is not None and since >= (until or now(tx)):
        raise click.BadParameter("must lie before --until, or now", param_hint="--since")


def _result(tx: Session, run: Run) -> dict[str, Any]:
    params = run.params or {}
    items = params.get("found") or [
        _as_json(row)
        for row in tx.scalars(select(Discrepancy).filter_by(run_id=run.id).order_by(Discrepancy.id))
    ]
    counts = found_before.counts(tx, run)
    if params.get("dry_run"):
        counts |= {"found": len(items)}
    return {
        "run": run.id,
        "status": run.status,
        "since": params.get("since"),
        "until": params.get("until"),
        "dry_run": bool(params.get("dry_run")),
        "checked": run.done,
        "total": run.total,
        "read": params.get("read", {}),
        "discrepancies": counts,
        "items": items,
    }


def _tell(result: dict[str, Any]) -> None:
    counts, read = result["discrepancies"], result["read"]
    rows = {name: result[name] for name in ("run", "status", "since", "until", "checked")}
    rows["read at Stripe"] = ", ".join(f"{count} {name}" for name, count in read.items())
    rows["discrepancies"] = "{found} found, {fixed} of them fixed, {open} open".format(**counts)
    show(rows | {name: result[name] for name in ("error",) if name in result}, as_json=False)
    for item in result["items"]:
        state = item.get("status", "would be looked at")
        click.echo(f"  {item['kind']:<18}  {item['subject']}  {state}: {_words(item)}")


def _words(item: dict[str, Any]) -> str:
    return str(item.get("reason") or item.get("words"))


@main_group.command()
@click.option(
    "--status", type=click.Choice([each.value for each in DiscrepancyStatus]), help="Only these."
)
@click.option("--kind", type=click.Choice([each.value for each in Kind]), help="Only these.")
@click.option("--run", "run_id", metavar="ID", help="Only those that this run has found.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@click.option("--resolve", metavar="ID", help="Somebody has seen to it; say --how.")
@click.option("--how", help="What was done about it.")
@click.option("--by", default=getpass.getuser, help="Who; the default is your login.")
@json_option
def discrepancies(
    status: str | None,
    kind: str | None,
    run_id: str | None,
    as_csv: bool,
    resolve: str | None,
    how: str | None,
    by: str,
    as_json: bool,
) -> None:
    """List what differed between here and Stripe, or resolve one.

    One that is resolved is not brought up again while both sides stay as they are.
    """
    if (resolve is None) != (how is None):
        raise click.UsageError("--resolve ID and --how TEXT go together.")
    with transaction(actor=ACTOR) as tx:
        if resolve is not None and how is not None:
            row = found_before.resolve(tx, resolve, by=f"operator:{by}", how=how)
            show({"id": row.id, "status": row.status, "how": how}, as_json=as_json)
            return
        asked = {"status": status, "kind": kind, "run_id": run_id, "payment_id": None}
        rows = select(Discrepancy).where(*report.chosen(asked)).order_by(Discrepancy.id)
        found = [_as_json(row) for row in tx.scalars(rows)]
    if as_json:
        show({"data": found}, as_json=True)
    elif as_csv:
        _write_csv(found)
    else:
        for item in found:
            click.echo(f"{item['id']}  {item['status']:<8}  {item['kind']:<18}  {item['reason']}")
        if not found:
            click.echo("Nothing differs.")


def _as_json(row: Discrepancy) -> dict[str, Any]:
    return {name: getattr(row, name) for name in (*report.COLUMNS, "ours", "theirs")}


def _write_csv(found: list[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(report.COLUMNS)
    for item in found:
        writer.writerow([_cell(item[name]) for name in report.COLUMNS])


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


@main_group.command()
@json_option
def coverage(as_json: bool) -> None:
    """Show which stretches of time have been compared with Stripe, and which have not."""
    with transaction(actor=ACTOR) as tx:
        found = report.coverage(tx)
    if as_json:
        show({"data": [vars(each) for each in found]}, as_json=True)
        return
    for each in found:
        word = "compared" if each.covered else "NOT compared"
        click.echo(f"{each.since:%Y-%m-%d %H:%M:%S}  {each.until:%Y-%m-%d %H:%M:%S}  {word}")
    if not found:
        click.echo("There is no payment yet.")


@main_group.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look through the database for what must never be. Exit status 1 if there is any.

    Reads every table whole: on a large one it takes its time, and disturbs nobody.
    """
    with transaction(actor=ACTOR) as tx:
        broken = invariants.broken(tx)
    if as_json:
        shown = {"ok": not broken, "checked": len(invariants.INVARIANTS)}
        show(shown | {"broken": [vars(each) for each in broken]}, as_json=True)
    else:
        for each in broken:
            click.echo(f"NOT SO: {each.rule}: {each.count}, such as {', '.join(each.examples)}")
        click.echo(f"{len(invariants.INVARIANTS)} rules looked at, {len(broken)} broken.")
    sys.exit(1 if broken else 0)
