"""Every error the API can answer with, as a tree; domains add leaves beside their services.

GatewayError                      500  a bug; never raised on purpose
├── Unparsable                    400  the body is not JSON
├── Unauthenticated               401
├── Forbidden                     403
├── NotFound                      404
├── MethodNotAllowed              405
├── Conflict                      409  the request is fine, the state is not
├── BodyTooLarge                  413
├── UnsupportedMediaType          415
├── Invalid                       422  well-formed but refused by the schema
├── RateLimited                   429  slow down
└── Unavailable                   503  try again, with the same Idempotency-Key if there was one

A leaf has its own `code` and `title`; `detail` says what was sent, what is allowed and what to
do. `/docs/errors` is made from these classes and their docstrings.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    param: str
    message: str


class GatewayError(Exception):
    """A fault of the gateway. It is logged with the request id; please report it."""

    status = 500
    code = "internal_error"
    title = "The gateway failed."

    def __init__(
        self, detail: str, *, errors: tuple[FieldError, ...] = (), retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after


class Unparsable(GatewayError):
    """The body could not be read as one JSON object. Nothing was done."""

    status, code, title = 400, "unparsable", "The body is not a JSON object."


class Unauthenticated(GatewayError):
    """Send `X-Api-Key` and `X-Api-Secret`, or the same pair as HTTP Basic."""

    status, code, title = 401, "unauthenticated", "Who is calling?"
    challenge = 'Basic realm="payment gateway"'  # WWW-Authenticate


class Forbidden(GatewayError):
    """The key is known, and may not do this."""

    status, code, title = 403, "forbidden", "This key may not do that."


class NotFound(GatewayError):
    """No such thing exists for this merchant in this mode (test or live)."""

    status, code, title = 404, "not_found", "There is no such thing."


class MethodNotAllowed(GatewayError):
    """The header `Allow` says what this address takes."""

    status, code, title = 405, "method_not_allowed", "This address takes other methods."


class BodyTooLarge(GatewayError):
    """Bodies have 64 KiB at most (Stripe's events 256 KiB). Nothing was read."""

    status, code, title = 413, "body_too_large", "The body is too large."


class HttpError(GatewayError):
    """The request could not be understood at all; `detail` is the server's own word for why."""

    status, code, title = 400, "http_error", "The request could not be understood."


class Conflict(GatewayError):
    """The request is well-formed, but the thing is not in a state that allows it."""

    status, code, title = 409, "conflict", "The present state does not allow this."


class UnsupportedMediaType(GatewayError):
    """Bodies are JSON: send `Content-Type: application/json`."""

    status, code, title = 415, "unsupported_media_type", "The body must be application/json."


class Invalid(GatewayError):
    """`errors` names each parameter that was refused, and why."""

    status, code, title = 422, "invalid_request", "A parameter was refused."

    @classmethod
    def param(cls, param: str, message: str) -> "Invalid":
        return cls(f"{param}: {message}", errors=(FieldError(param, message),))


class RateLimited(GatewayError):
    """Nothing was done. Wait for `Retry-After` seconds, then go on more slowly."""

    status, code, title = 429, "rate_limited", "Too many requests."


class Unavailable(GatewayError):
    """The gateway cannot answer right now. Nothing was lost: try again after `Retry-After`."""

    status, code, title = 503, "unavailable", "Please try again."


class IllegalTransition(GatewayError):
    """A row was asked to move where its life cycle has no arrow: a bug, caught before it wrote."""

    code = "illegal_transition"


def all_errors() -> list[type[GatewayError]]:
    """Every error there is, by status and code."""
    found, todo = [], [GatewayError]
    while todo:
        error = todo.pop()
        found.append(error)
        todo += error.__subclasses__()
    return sorted(found, key=lambda error: (error.status, error.code))
