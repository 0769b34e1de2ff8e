"""HTTP for webhook endpoints and deliveries."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.callbacks import replays, service, upkeep
from gateway.callbacks.models import Delivery, Endpoint
from gateway.callbacks.replay_schemas import ReplayCreate, ReplaySchema
from gateway.callbacks.schemas import (
    DeliveryDetail,
    DeliveryQuery,
    DeliverySchema,
    EndpointCreate,
    EndpointCreated,
    EndpointDisable,
    EndpointPatch,
    EndpointSchema,
    SecretRotate,
    TestSent,
)
from gateway.kernel.fields import PageQuery
from gateway.kernel.http import Api, Caller, Reply
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret

api = Api("callbacks", authenticate=by_secret)


@api.write(
    "/webhook-endpoints",
    accepts=EndpointCreate(),
    returns=EndpointCreated(),
    status=201,
    shows_secret=True,
    refuses=(service.TooManyEndpoints,),
)
def create_endpoint(tx: Session, caller: Caller, body: dict[str, Any]) -> Endpoint:
    """Register an address for callbacks.

    The answer's `secret` signs them and is shown this once.
    """
    return service.create(tx, caller, body)


@api.read("/webhook-endpoints", query=PageQuery(), returns=EndpointSchema())
def list_endpoints(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """List webhook endpoints, newest first."""
    return service.listed(tx, caller, query)


@api.read("/webhook-endpoints/<endpoint_id>", returns=EndpointSchema())
def read_endpoint(tx: Session, caller: Caller, endpoint_id: str) -> Endpoint:
    """Read a webhook endpoint."""
    return service.get(tx, caller, endpoint_id)


@api.write(
    "/webhook-endpoints/<endpoint_id>",
    method="PATCH",
    accepts=EndpointPatch(),
    returns=EndpointSchema(),
)
def change_endpoint(
    tx: Session, caller: Caller, body: dict[str, Any], endpoint_id: str
) -> Endpoint:
    """Change a webhook endpoint.

    Callbacks that wait go to its new address.
    """
    return service.change(tx, caller, endpoint_id, body)


@api.write("/webhook-endpoints/<endpoint_id>", method="DELETE", returns=EndpointSchema())
def delete_endpoint(
    tx: Session, caller: Caller, body: dict[str, Any], endpoint_id: str
) -> Endpoint:
    """Delete a webhook endpoint.

    Callbacks that wait for it are dropped.
    """
    return service.delete(tx, caller, endpoint_id)


@api.write(
    "/webhook-endpoints/<endpoint_id>/rotate-secret",
    accepts=SecretRotate(),
    returns=EndpointCreated(),
    shows_secret=True,
)
def rotate_secret(tx: Session, caller: Caller, body: dict[str, Any], endpoint_id: str) -> Endpoint:
    """Give a webhook endpoint another secret.

    The answer's `secret` is shown this once. The one before it signs too, until the overlap is
    over; one that was before that does not.
    """
    return upkeep.rotate_secret(tx, caller, endpoint_id, **body)


@api.write(
    "/webhook-endpoints/<endpoint_id>/test",
    returns=TestSent(),
    status=202,
    refuses=(service.EndpointDisabled,),
)
def test_endpoint(
    tx: Session, caller: Caller, body: dict[str, Any], endpoint_id: str
) -> dict[str, str]:
    """Send a test to a webhook endpoint.

    An event `endpoint.tested` with the endpoint in it, signed and repeated like any other. It comes
    whatever the endpoint's list of types says.
    """
    return upkeep.send_test(tx, caller, endpoint_id)


@api.write(
    "/webhook-endpoints/<endpoint_id>/disable",
    accepts=EndpointDisable(),
    returns=EndpointSchema(),
)
def disable_endpoint(
    tx: Session, caller: Caller, body: dict[str, Any], endpoint_id: str
) -> Endpoint:
    """Pause a webhook endpoint.

    Its callbacks wait, and go out once it is enabled. One that is disabled already stays as it is.
    """
    return upkeep.disable(tx, caller, endpoint_id, **body)


@api.write("/webhook-endpoints/<endpoint_id>/enable", returns=EndpointSchema())
def enable_endpoint(
    tx: Session, caller: Caller, body: dict[str, Any], endpoint_id: str
) -> Endpoint:
    """Enable a webhook endpoint.

    What waits for it goes out. If it was not you who paused it, one callback goes first, and the
    others once that is taken.
    """
    return upkeep.enable(tx, caller, endpoint_id)


@api.write(
    "/webhook-endpoints/<endpoint_id>/replay",
    accepts=ReplayCreate(),
    returns=ReplaySchema(),
    status=202,
    also={200: "Only counted."},
    refuses=(service.EndpointDisabled, replays.ReplayRunning),
)
def replay_endpoint(
    tx: Session, caller: Caller, body: dict[str, Any], endpoint_id: str
) -> Reply[replays.Replay]:
    """Tell a webhook endpoint again what happened in a time.

    Every event that it wants by now, under the `webhook-id` it always had. They go out one after
    the other, at the pace of the endpoint. With `dry_run` they are only counted.
    """
    return replays.ask(tx, caller, endpoint_id, **body)


@api.read("/webhook-endpoints/<endpoint_id>/replays", query=PageQuery(), returns=ReplaySchema())
def list_replays(tx: Session, caller: Caller, query: dict[str, Any], endpoint_id: str) -> Page:
    """List the replays of a webhook endpoint, newest first."""
    return replays.listed(tx, caller, endpoint_id, query)


@api.read("/webhook-endpoints/<endpoint_id>/replays/<replay_id>", returns=ReplaySchema())
def read_replay(tx: Session, caller: Caller, endpoint_id: str, replay_id: str) -> replays.Replay:
    """Read how far a replay is."""
    return replays.read(tx, caller, endpoint_id, replay_id)


@api.read("/webhook-deliveries", query=DeliveryQuery(), returns=DeliverySchema())
def list_deliveries(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """List webhook deliveries, newest first."""
    return service.list_deliveries(tx, caller, query)


@api.read("/webhook-deliveries/<delivery_id>", returns=DeliveryDetail())
def read_delivery(tx: Session, caller: Caller, delivery_id: str) -> Delivery:
    """Read a webhook delivery with every attempt."""
    return service.get_delivery(tx, caller, delivery_id)


@api.write(
    "/webhook-deliveries/<delivery_id>/retry",
    returns=DeliverySchema(),
    status=202,
    refuses=(service.EndpointDeleted, service.EndpointDisabled),
)
def retry_delivery(tx: Session, caller: Caller, body: dict[str, Any], delivery_id: str) -> Delivery:
    """Send a webhook delivery once more.

    At once, whatever became of it before, even while the endpoint's circuit is open.
    """
    return service.retry(tx, caller, delivery_id)
