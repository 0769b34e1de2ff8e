"""Commands that become a process of the gateway, and the migration that goes before them."""

import os
import socket
import sys

import click

from gateway.cli import fail, json_option, main_group, show
from gateway.kernel import heartbeats
from gateway.kernel.db import transaction
from gateway.kernel.roles import WrongRole
from gateway.migrations import head
from gateway.migrations.upgrade import migrate, role_of


@main_group.command("migrate")
@json_option
def migrate_command(as_json: bool) -> None:
    """Bring the database to this version's shape, as the owner (GATEWAY_MIGRATION_URL)."""
    owner, application = os.environ.get("GATEWAY_MIGRATION_URL"), os.environ.get("DATABASE_URL")
    if not owner or not application:
        raise click.ClickException(
            "Set GATEWAY_MIGRATION_URL (the role that owns the tables) and DATABASE_URL (the role"
            " the gateway runs as, which owns nothing)."
        )
    if role_of(owner) == role_of(application):
        raise WrongRole("GATEWAY_MIGRATION_URL and DATABASE_URL must name two different roles.")
    migrate(migration_url=owner, app_role=role_of(application))
    show({"version": head(), "application_role": role_of(application)}, as_json=as_json)


@main_group.command()
def relay() -> None:
    """Run the relay: it numbers events, makes deliveries and hints what is due."""
    os.execv(sys.executable, [sys.executable, "-m", "workers.relay"])  # noqa: S606


@main_group.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Run the Stripe sandbox on a port of its own (`gateway sandbox --help`)."""
    command = [sys.executable, "-m", "gateway.dev.sandbox", *arguments]
    os.execv(sys.executable, command)  # noqa: S606


@main_group.command()
@click.argument("process", type=click.Choice(["relay", "worker"]))
@click.argument("queue", required=False)
@json_option
def alive(process: str, queue: str | None, as_json: bool) -> None:
    """Exit 0 if a relay, or a worker of QUEUE, of this host was heard of in ten seconds."""
    if (process == "worker") != bool(queue):
        raise click.UsageError("Write `gateway alive relay` or `gateway alive worker QUEUE`.")
    host = socket.gethostname()
    with transaction(actor="operator:alive") as tx:
        heard = [
            beat.name
            for beat in heartbeats.alive(tx)
            if (beat.kind, beat.queue) == (process, queue) and host in beat.name.split(":")
        ]
    if not heard:
        fail(f"No {process}{f' of {queue}' if queue else ''} of {host} was heard of lately.")
    show({"alive": ", ".join(heard)}, as_json=as_json)
