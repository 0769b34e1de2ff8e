"""`gateway`: what operators type. Every command takes `--json`; every error says what to do."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from gateway.dev.places import DEMO_ENV, demo_runs
from gateway.kernel.errors import GatewayError
from gateway.kernel.roles import WrongRole
from gateway.settings import InvalidSettings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="payment-gateway", prog_name="gateway")
def main_group() -> None:
    """Run and look after a payment gateway.

    Configuration comes from the environment (see .env.example). While a demo runs and DATABASE_URL
    is not set, every command talks to the demo.
    """


def main() -> None:
    """The entry point: errors a person can act on end in one sentence and exit status 1."""
    from gateway.cli import (  # noqa: F401 - they add commands
        callbacks,
        listen,
        merchants,
        operations,
        processes,
        reconciliation,
    )

    read_demo_env()
    try:
        main_group(standalone_mode=True)
    except InvalidSettings as error:
        fail(f"{error}\nOr start ./run demo: while it runs, this command talks to it.")
    except WrongRole as error:
        fail(str(error))
    except GatewayError as error:
        fail(error.detail)
    except SQLAlchemyError as error:
        fail(f"The database did not do it: {str(error).splitlines()[0]}")
    except UnicodeEncodeError:
        fail("An argument is not UTF-8.")


def read_demo_env() -> None:
    """Talk to the demo that runs here, unless the environment names another gateway."""
    if "DATABASE_URL" in os.environ or not demo_runs():
        return
    for line in DEMO_ENV.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            os.environ.setdefault(name, value)


def fail(message: str) -> None:
    click.echo(message, err=True)
    sys.exit(1)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def show(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, default=str))
        return
    width = max(map(len, result), default=0)
    for name, value in result.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {'-' if value is None else value}")
