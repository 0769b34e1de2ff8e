"""Merchants, their keys, and the demo's seed."""

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.cli import json_option, main_group, show
from gateway.dev import seed as seeding
from gateway.kernel.db import transaction
from gateway.kernel.errors import NotFound
from gateway.merchants import service
from gateway.merchants.models import ApiKey, Merchant

ACTOR = "operator:cli"
LONGEST_NAME = 200  # characters


@main_group.group()
def merchants() -> None:
    """Create and list merchants."""


@merchants.command("create")
@click.argument("name")
@json_option
def create_merchant(name: str, as_json: bool) -> None:
    """Create a merchant and its first test key. The secret is shown this once."""
    if not 0 < len(name := name.strip()) <= LONGEST_NAME:
        raise click.BadParameter(f"a NAME has 1 to {LONGEST_NAME} characters")
    with transaction(actor=ACTOR) as tx:
        merchant = service.create(tx, name=name)
        key = service.create_key(tx, merchant, livemode=False)
    shown = {"merchant": merchant.id, "name": name, "key": key.key, "secret": key.secret}
    show(shown, as_json=as_json)


@merchants.command("list")
@json_option
def list_merchants(as_json: bool) -> None:
    """List all merchants."""
    with transaction(actor=ACTOR) as tx:
        found = list(tx.scalars(select(Merchant).order_by(Merchant.id)))
    if as_json:
        show({"data": [{"id": each.id, "name": each.name} for each in found]}, as_json=True)
        return
    for each in found:
        click.echo(f"{each.id}  {each.name}")
    if not found:
        click.echo("There is no merchant yet. Create one: gateway merchants create NAME")


@main_group.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command("create")
@click.argument("merchant")
@click.option("--live", is_flag=True, help="A key for live mode; the default is test mode.")
@click.option("--name", help="Where the key will be used.")
@json_option
def create_key(merchant: str, live: bool, name: str | None, as_json: bool) -> None:
    """Create a key for MERCHANT (id or name). The secret is shown this once."""
    with transaction(actor=ACTOR) as tx:
        key = service.create_key(tx, find(tx, merchant), livemode=live, name=name)
    show({"id": key.id, "key": key.key, "secret": key.secret}, as_json=as_json)


@keys.command("list")
@click.argument("merchant")
@json_option
def list_keys(merchant: str, as_json: bool) -> None:
    """List the keys of MERCHANT (id or name); secrets cannot be shown again."""
    with transaction(actor=ACTOR) as tx:
        owner = find(tx, merchant)
        rows = tx.scalars(select(ApiKey).filter_by(merchant_id=owner.id).order_by(ApiKey.id))
        found = [
            {
                "key": row.key,
                "mode": "live" if row.livemode else "test",
                "name": row.name,
                "last_used_at": row.last_used_at,
                "revoked_at": row.revoked_at,
            }
            for row in rows
        ]
    if as_json:
        show({"data": found}, as_json=True)
        return
    for row in found:
        state = f"revoked {row['revoked_at']}" if row["revoked_at"] else "valid"
        click.echo(f"{row['key']}  {row['mode']}  {state}  last used {row['last_used_at'] or '-'}")
    if not found:
        click.echo(f"{owner.name} has no key. Create one: gateway keys create {owner.id}")


@keys.command("revoke")
@click.argument("key")
@json_option
def revoke_key(key: str, as_json: bool) -> None:
    """Revoke KEY (or its id) at once and for good."""
    with transaction(actor=ACTOR) as tx:
        row = service.revoke_key(tx, key)
    show({"key": row.key, "revoked_at": row.revoked_at}, as_json=as_json)


@main_group.command()
@click.option("--origin", multiple=True, help="Web origin of a shop that embeds the checkout.")
@json_option
def seed(origin: tuple[str, ...], as_json: bool) -> None:
    """Create the merchant "Demo Store" with its well-known test key. Not in production."""
    seeded = seeding.seed(origin)
    show(vars(seeded), as_json=as_json)


def find(tx: Session, name: str) -> Merchant:
    merchant: Merchant | None = tx.scalar(
        select(Merchant).where((Merchant.id == name) | (Merchant.name == name))
    )
    if merchant is None:
        raise NotFound(f"There is no merchant {name!r}. See: gateway merchants list")
    return merchant
