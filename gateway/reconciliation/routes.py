"""HTTP for what was compared with Stripe, and what differed."""

from typing import Any

from sqlalchemy.orm import Session

from gateway.kernel.http import Api, Caller
from gateway.kernel.pages import Page
from gateway.merchants.auth import by_secret
from gateway.reconciliation import report
from gateway.reconciliation.models import Discrepancy
from gateway.reconciliation.schemas import (
    CoverageSchema,
    DiscrepancyQuery,
    DiscrepancySchema,
    ReconciliationQuery,
    ReconciliationSchema,
)

api = Api("reconciliations", authenticate=by_secret)


@api.read("/reconciliations", query=ReconciliationQuery(), returns=ReconciliationSchema())
def list_reconciliations(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """List the runs that have compared everything with Stripe, newest first."""
    return report.runs_of(tx, caller, query)


@api.read("/reconciliations/<run_id>", returns=ReconciliationSchema())
def read_reconciliation(tx: Session, caller: Caller, run_id: str) -> dict[str, Any]:
    """Read a run."""
    return report.run_of(tx, caller, run_id)


@api.read("/reconciliations/coverage", returns=CoverageSchema())
def read_coverage(tx: Session, _: Caller) -> dict[str, Any]:
    """Read which stretches of time have been compared, and which have not.

    They follow one another without a gap, oldest first.
    """
    return {"data": report.coverage(tx)}


@api.read("/discrepancies", query=DiscrepancyQuery(), returns=DiscrepancySchema())
def list_discrepancies(tx: Session, caller: Caller, query: dict[str, Any]) -> Page:
    """List what differed between here and Stripe, newest first."""
    return report.discrepancies_of(tx, caller, query)


@api.read("/discrepancies/<discrepancy_id>", returns=DiscrepancySchema())
def read_discrepancy(tx: Session, caller: Caller, discrepancy_id: str) -> Discrepancy:
    """Read a discrepancy."""
    return report.discrepancy_of(tx, caller, discrepancy_id)
