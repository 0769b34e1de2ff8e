"""Comparing with Stripe: run it, read what differed, say what was done about it, and the proofs."""

import csv
import getpass
import json
import os
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
from gateway.reconciliation.coverage import Stretch, first_payment
from gateway.reconciliation.models import Discrepancy, DiscrepancyStatus, Kind

SLOW = (
    "It is not at its end yet, and goes on by itself. If that takes long, the log of the worker for"
    " the queue clock says what Stripe answers."
)
MOST_SAID = 1000  # characters
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


class Said(click.ParamType[str]):
    """What is kept for others to read: not empty, and on one line."""

    name = "TEXT"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        text = str(value).strip()
        if not text or len(text) > MOST_SAID or not text.isprintable():
            self.fail(f"must be 1 to {MOST_SAID} printable characters, on one line")
        return text


@main_group.command()
@click.option("--since", type=Moment(), help="From then on; the default: since the last run.")
@click.option("--until", type=Moment(), help="Before then; the default: now.")
@click.option(
    "--dry-run", is_flag=True, help="Only tell what differs, known or not: change nothing."
)
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
    if run.error is not None:
        result["error"] = run.error
    elif run.status != RunStatus.SUCCEEDED:
        result["error"] = missing(queues=("clock", "stripe"), otherwise=SLOW)
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
    oldest = first_payment(tx)
    if until is not None and (oldest is None or until <= oldest):
        words = f"lies before the first payment, of {oldest:%Y-%m-%dT%H:%M:%SZ}" if oldest else ""
        words = words or "there is no payment yet"
        raise click.BadParameter(f"{words}: nothing to compare", param_hint="--until")


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
    if result["dry_run"] and len(result["items"]) == service.MOST_TOLD:
        click.echo(f"  A dry run keeps {service.MOST_TOLD}; there may be more.")


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
@click.option("--how", type=Said(), help="What was done about it.")
@click.option("--by", type=Said(), help="Who; the default is your login.")
@json_option
def discrepancies(
    status: str | None,
    kind: str | None,
    run_id: str | None,
    as_csv: bool,
    resolve: str | None,
    how: str | None,
    by: str | None,
    as_json: bool,
) -> None:
    """List what differed between here and Stripe, or resolve one.

    One that is resolved is not brought up again while both sides stay as they are.
    """
    if (resolve is None) != (how is None):
        raise click.UsageError("--resolve ID and --how TEXT go together.")
    with transaction(actor=ACTOR) as tx:
        if resolve is not None and how is not None:
            row = found_before.resolve(tx, resolve, by=f"operator:{by or _login()}", how=how)
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
            line = f"{item['id']}  {item['status']:<8}  {item['kind']:<18}  {item['subject']:<30}"
            click.echo(f"{line}  {item['reason']}")
        if not found:
            chosen = any(each is not None for each in asked.values())
            click.echo("None of these is there." if chosen else "Nothing differs.")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in many containers
        return str(os.getuid())


def _as_json(row: Discrepancy) -> dict[str, Any]:
    return {name: getattr(row, name) for name in (*report.COLUMNS, "ours", "theirs")}


def _write_csv(found: list[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow([*report.COLUMNS, "ours", "theirs"])
    for item in found:
        both = [json.dumps(item[name]) if item[name] else "" for name in ("ours", "theirs")]
        writer.writerow([*(_cell(item[name]) for name in report.COLUMNS), *both])


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
        word = "compared" if each.covered else _not_compared(each)
        click.echo(f"{each.since:%Y-%m-%d %H:%M:%S}  {each.until:%Y-%m-%d %H:%M:%S}  {word}")
    if not found:
        click.echo("There is no payment yet.")


def _not_compared(stretch: Stretch) -> str:
    """What a run that is not late would have left."""
    with transaction(actor=ACTOR) as tx:
        is_young = now(tx) - stretch.since < timedelta(hours=1)
    return "not yet compared" if is_young else "NOT compared"


@main_group.command()
@json_option
def balance(as_json: bool) -> None:
    """Show the sums of Stripe's balance beside ours, by day, currency and type.

    As the clock has added them up last, every night; in minor units, days in UTC. Types that have
    no counterpart here, such as payouts, have theirs only.
    """
    with transaction(actor=ACTOR) as tx:
        found = report.balance(tx)
    if as_json:
        show(found or {"run": None, "days": []}, as_json=True)
        return
    if found is None:
        click.echo("Nothing was added up yet: the clock does it every night, at 02:20 UTC.")
        return
    since, until, at = (_minute(found[name]) for name in ("since", "until", "finished_at"))
    click.echo(f"{since} to {until}, added up at {at} (UTC)")
    if not found["days"]:
        click.echo("  Stripe's balance has no lines of this time.")
    for row in found["days"]:
        ours = "-" if row["ours"] is None else row["ours"]
        line = f"{row['day']}  {row['currency']}  {row['type']:<16} {row['count']:>6}"
        sums = f"Stripe {row['theirs']:>14}  here {ours:>14}  fees {row['fee']:>10}"
        click.echo(f"  {line}  {sums}")


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


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
