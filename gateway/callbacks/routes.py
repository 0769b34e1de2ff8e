"""HTTP for webhook endpoints and deliveries."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.callbacks import service
from gateway.callbacks.models import Delivery, Endpoint
from gateway.callbacks.schemas import (
    DeliveryDetail,
    DeliveryQuery,
    DeliverySchema,
    EndpointCreate,
    EndpointCreated,
    EndpointPatch,
    EndpointSchema,
)
from gateway.kernel.fields import PageQuery
from gateway.kernel.http import Api, Caller
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret

api = Api("callbacks", authenticate=by_secret)


@api.write(
    "/webhook-endpoints",
    accepts=EndpointCreate(),
    returns=EndpointCreated(),
    status=201,
    shows_secret=True,
)
def create_endpoint(tx: Session, caller: Caller, body: dict[str, Any]) -> Endpoint:
    return service.create(tx, caller, body)


@api.read("/webhook-endpoints", query=PageQuery(), returns=EndpointSchema())
def list_endpoints(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    return service.listed(tx, caller, query)


@api.read("/webhook-endpoints/<endpoint_id>", returns=EndpointSchema())
def read_endpoint(tx: Session, caller: Caller, endpoint_id: str) -> Endpoint:
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
    return service.change(tx, caller, endpoint_id, body)


@api.write("/webhook-endpoints/<endpoint_id>", method="DELETE", returns=EndpointSchema())
def delete_endpoint(
    tx: Session, caller: Caller, body: dict[str, Any], endpoint_id: str
) -> Endpoint:
    return service.delete(tx, caller, endpoint_id)


@api.read("/webhook-deliveries", query=DeliveryQuery(), returns=DeliverySchema())
def list_deliveries(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    return service.list_deliveries(tx, caller, query)


@api.read("/webhook-deliveries/<delivery_id>", returns=DeliveryDetail())
def read_delivery(tx: Session, caller: Caller, delivery_id: str) -> Delivery:
    return service.get_delivery(tx, caller, delivery_id)


@api.write("/webhook-deliveries/<delivery_id>/retry", returns=DeliverySchema(), status=202)
def retry_delivery(tx: Session, caller: Caller, body: dict[str, Any], delivery_id: str) -> Delivery:
    return service.retry(tx, caller, delivery_id)
