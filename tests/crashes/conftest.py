"""A stage per test: its database, which the sandbox of all tests knows nothing of."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests_support import forget

from gateway.app import create_app
from gateway.dev.embedded import superuser
from gateway.dev.torture.stripe_side import stripe as in_memory
from gateway.kernel.crashpoints import arm

from .stage import Scene, Stage, World


class Ears:
    """What tasks log, for us: an error is a fault of ours."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults

    def error(self, words: str, *, exc_info: BaseException) -> None:
        self.faults.append(f"{words}: {exc_info!r}")

    def info(self, *_: Any, **__: Any) -> None:
        pass

    warning = info


@pytest.fixture(scope="session")
def flask_client() -> Any:
    app = create_app()
    app.testing = True  # a crash must come through the framework
    return app.test_client()


@pytest.fixture
def stage(
    request: pytest.FixtureRequest,
    servers: Any,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    flask_client: Any,
    receiver: Any,
) -> Iterator[Stage]:
    name = database.partition("?")[0].rpartition("/")[2]
    with superuser(servers.postgres, name) as cursor:
        cursor.execute("SET session_replication_role = replica")  # no trigger, no foreign key
        made = Stage(cursor, flask_client, receiver)
        made.every_place = request.config.getoption("--every-place")
        monkeypatch.setattr("workers.app.log", Ears(made.faults))
        arm(made.points)
        yield made
        arm(None)


@pytest.fixture
def stripe_on_stage(stage: Stage, stripe: Any) -> Any:
    """The stage's gateway talks to an empty Stripe without faults."""
    stage.stripe = stripe
    return stripe


@pytest.fixture
def stripe_with_memory(stage: Stage, stripe: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """As above, and every scene begins with what Stripe knew then."""
    with in_memory() as memory:
        monkeypatch.setenv("STRIPE_API_BASE", memory.url)
        forget()
        stage.memory, stage.stripe = memory, type(stripe)(memory.url)
        yield stage.stripe


@pytest.fixture
def shop_scene(stage: Stage, new_shop: Callable[[], Any]) -> Callable[..., Scene]:
    """A merchant whose server wants to hear of these events."""

    def make(*events: str) -> Scene:
        def prepare(world: World) -> None:
            world.facts["shop"] = new_shop()
            if events:
                stage.receiver.register(world.client, world.shop, events=list(events))
            world.passes()

        return stage.scene(prepare)

    return make
