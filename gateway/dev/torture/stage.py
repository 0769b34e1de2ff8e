"""A database and a Stripe that can be put back to how they were, many times in a second.

A scene is a copy of every table and of Stripe's memory. Putting it back asks no guard and no
trigger, so it is for a database that nobody else uses: never a real one.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from gateway.dev.torture.stripe_side import Memory, Stripe
from gateway.kernel import db, limits
from gateway.kernel.heartbeats import Pulse, beat

QUEUES = ("stripe", "callbacks", "clock")
# What no play changes.
FIXED = ("alembic_version", "transitions", "merchants", "api_keys")


OWING = (
    *("payments", "captures", "refunds", "orders", "runs"),
    *("callback_deliveries", "callback_endpoints"),
)
IS_OWED = " UNION ALL ".join(
    f"SELECT 1 FROM {table} WHERE due_at <= gateway_now()"
    " AND (leased_until IS NULL OR leased_until <= gateway_now())"
    for table in OWING
)


class Ears(logging.Handler):
    """Hears the errors that the gateway logs: each is a fault of ours, whatever came of it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(str(record.msg))


@dataclass
class Scene:
    """What happened before: a schema of copied tables, Stripe's memory, and what players recall."""

    schema: str
    memory: Memory
    facts: dict[str, Any] = field(default_factory=dict)


class Stage:
    """`superuser` is a cursor on the database of this process's gateway, which has a merchant and
    nothing else.
    """

    def __init__(self, superuser: Any, client: Any, stripe: Stripe) -> None:
        self.superuser, self.client, self.stripe = superuser, client, stripe
        self.superuser.execute("SET session_replication_role = replica")
        self.scenes = 0
        self.ears = Ears()
        logging.getLogger().addHandler(self.ears)
        self.beat()
        stripe.forget()
        self.empty = self.keep({})

    def keep(self, facts: dict[str, Any]) -> Scene:
        self.scenes += 1
        schema = f"scene_{self.scenes}"
        copies = [f"CREATE TABLE {schema}.{name} AS TABLE public.{name}" for name in _tables()]
        self.superuser.execute("; ".join([f"CREATE SCHEMA {schema}", *copies]))
        return Scene(schema, self.stripe.remember(), facts)

    def put_back(self, scene: Scene) -> None:
        """Everything as it was, with living workers and an unused allowance of calls."""
        empty = [f"DELETE FROM public.{name}" for name in _tables()]
        fill = [
            f"INSERT INTO public.{name} OVERRIDING SYSTEM VALUE TABLE {scene.schema}.{name}"
            for name in _tables()
        ]
        self.superuser.execute("; ".join(empty + fill))
        self.ears.heard.clear()
        self.stripe.put_back(scene.memory)
        limits._pace.cache_clear()  # noqa: SLF001 - counted by the wall's clock
        self.beat()

    def is_owed(self) -> bool:
        """Whether a pass of the relay would find work; far cheaper than one that finds none."""
        self.superuser.execute(IS_OWED)
        return self.superuser.fetchone() is not None

    def advance(self, seconds: float) -> None:
        """The one clock: the gateway's and Stripe's."""
        self.superuser.execute("UPDATE clock SET offset_seconds = offset_seconds + %s", (seconds,))
        self.stripe.advance(seconds)

    def close(self) -> None:
        logging.getLogger().removeHandler(self.ears)

    def beat(self) -> None:
        """The workers live, whatever the wall's clock says since the scene was kept."""
        with db.transaction(actor="torture:heartbeat") as tx:
            beat(
                tx,
                *(Pulse(f"torture:{queue}", "worker", queue=queue, slots=50) for queue in QUEUES),
            )


def _tables() -> list[str]:
    return sorted({*db.Base.metadata.tables, "clock"} - {*FIXED})
