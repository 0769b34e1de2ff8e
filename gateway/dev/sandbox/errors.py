"""The refusals the sandbox answers with, as Stripe's error objects. Only describes."""

from typing import Any


class ApiError(Exception):
    """A refusal. `executed`: work had begun, so an idempotency key keeps the answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        executed: bool = False,
        headers: dict[str, str] | None = None,
        **embedded: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.executed = executed
        self.headers = headers or {}
        fields = {"code": code, "message": message, "param": param, "type": type, **embedded}
        self.body = {"error": {name: value for name, value in fields.items() if value is not None}}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """A request refused before anything was done."""
    return ApiError(400, message, code=code, param=param)


def missing_resource(kind: str, id: str, *, param: str = "id", status: int = 404) -> ApiError:
    return ApiError(
        status,
        f"No such {kind}: '{id}'",
        code="resource_missing",
        param=param,
        executed=status == 404,
    )


def unrecognised_url(method: str, path: str) -> ApiError:
    return ApiError(404, f"Unrecognized request URL ({method}: {path}).")


def refused(
    message: str, *, code: str | None = None, param: str | None = None, **embedded: Any
) -> ApiError:
    """A well-formed request that the present state of things forbids."""
    return ApiError(400, message, code=code, param=param, executed=True, **embedded)


def unexpected_state(message: str, intent: dict[str, Any]) -> ApiError:
    """Stripe embeds the intent, so that the caller sees the state that refused it."""
    return refused(message, code="payment_intent_unexpected_state", payment_intent=intent)


def server_error() -> ApiError:
    return ApiError(500, "An unknown error occurred in the sandbox.", type="api_error")
