"""HTTP for the merchant itself."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.http import Api, Caller
from gateway.merchants import service
from gateway.merchants.auth import by_secret
from gateway.merchants.models import Merchant
from gateway.merchants.schemas import MerchantPatch, MerchantSchema

api = Api("merchants", authenticate=by_secret)


@api.read("/merchant", returns=MerchantSchema())
def read_merchant(tx: Session, caller: Caller) -> Merchant:
    """Read the merchant whose key this is."""
    return service.get(tx, caller.merchant_id)


@api.write("/merchant", method="PATCH", accepts=MerchantPatch(), returns=MerchantSchema())
def change_merchant(tx: Session, caller: Caller, body: dict[str, Any]) -> Merchant:
    """Change the merchant.

    `allowed_origins` replaces the whole list.
    """
    return service.change(tx, caller.merchant_id, body)
