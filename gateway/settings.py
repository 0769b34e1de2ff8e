"""Configuration: environment variables in, one frozen object out.

What the running gateway needs is read here and nowhere else; all that is wrong is reported in one
message. (GATEWAY_MIGRATION_URL, the owner's, is for `gateway migrate` alone.)
`.env.example` lists each with a line of why, and a test keeps the two equal.
"""

from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import Env, EnvValidationError, validate
from marshmallow import ValidationError

DEMO, TEST, PRODUCTION = "demo", "test", "production"

# Seconds to wait before attempt n of a callback: three days in all, as long as Stripe tries.
RETRY_INTERVALS = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
TEST_RETRY_INTERVALS = (0, 1, 2, 4, 8)
SECRET_KEY_LENGTH = 32
METRICS_TOKEN_LENGTH = 16


class InvalidSettings(Exception):
    """The environment cannot be used; the message lists every reason."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    env: str
    secret_key: str
    base_url: str
    log_level: str
    metrics_token: str  # empty: `/metrics` is closed in production and open elsewhere
    database_url: str
    redis_url: str
    broker_url: str
    stripe_secret_key: str
    stripe_webhook_secrets: tuple[str, ...]
    stripe_api_base: str
    stripe_timeout: float  # seconds to wait for an answer, once connected
    callback_timeout: float  # seconds for one whole callback attempt
    retry_intervals: tuple[int, ...]
    callback_ports: tuple[int, ...]
    callback_networks: tuple[str, ...]  # private ones that callbacks may reach all the same
    callback_ca_file: str  # certificates to trust instead of the public ones; empty: those
    callback_concurrency: int  # callbacks at once from one worker to one endpoint
    callback_rate: int  # callbacks a second from one worker to one endpoint
    deliveries_kept_days: int  # what was delivered, and every attempt; what was not stays
    rate_per_key: int  # calls a second of one key to one web process
    rate_refused: int  # refused calls a second from one address to one web process
    rate_per_shopper: int  # calls a second from one address of shoppers to one web process
    rate_per_order: int  # times a second that one order is opened for a shopper
    trusted_proxies: int  # how many stand in front, each adding an X-Forwarded-For
    poll_seconds: int  # between two looks at a payment that waits for its shopper
    order_ttl: int  # seconds that an order may wait for a payment to begin
    payment_ttl: int  # seconds that a shopper has to pay
    stripe_shared: bool  # others take money by the same Stripe account
    reconcile_per_second: int  # questions to Stripe that only the clock has put

    @property
    def is_production(self) -> bool:
        return self.env == PRODUCTION


@cache
def settings() -> Settings:
    """The one configuration of this process. Raises `InvalidSettings` naming every fault."""
    env = Env(eager=False)
    found = _read(env)
    try:
        env.seal()
    except EnvValidationError as error:
        messages: Any = error.error_messages
        faults = [f"{name}: {' '.join(map(str, why))}" for name, why in messages.items()]
        raise InvalidSettings(_report(faults)) from None
    result = Settings(**found)
    if faults := _insecure(result) if result.is_production else []:
        raise InvalidSettings(_report(faults))
    return result


def _read(env: Env) -> dict[str, Any]:
    where = env.str("GATEWAY_ENV", PRODUCTION, validate=validate.OneOf((DEMO, TEST, PRODUCTION)))
    redis = env.str("REDIS_URL", "redis://127.0.0.1:6379/0", validate=_is_redis)
    secrets: list[str] | None = env.list("STRIPE_WEBHOOK_SECRET", validate=_filled)
    return {
        "env": where,
        "secret_key": env.str("GATEWAY_SECRET_KEY", validate=validate.Length(SECRET_KEY_LENGTH)),
        "base_url": env.str("GATEWAY_BASE_URL", "http://127.0.0.1:8000", validate=_is_http),
        "log_level": env.str(
            "GATEWAY_LOG_LEVEL",
            "INFO",
            validate=validate.OneOf(("DEBUG", "INFO", "WARNING", "ERROR")),
        ),
        "metrics_token": env.str("GATEWAY_METRICS_TOKEN", ""),
        "database_url": psycopg2_url(env.str("DATABASE_URL", validate=_is_postgresql) or ""),
        "redis_url": redis,
        "broker_url": env.str("CELERY_BROKER_URL", redis),
        "stripe_secret_key": env.str("STRIPE_SECRET_KEY", validate=validate.Length(1)),
        "stripe_webhook_secrets": tuple(secret.strip() for secret in secrets or ()),
        "stripe_api_base": env.str("STRIPE_API_BASE", "https://api.stripe.com", validate=_is_http),
        "stripe_timeout": env.float("GATEWAY_STRIPE_TIMEOUT", 10.0, validate=_seconds),
        "stripe_shared": env.bool("GATEWAY_STRIPE_SHARED", False),
        "rate_per_key": env.int("GATEWAY_RATE_PER_KEY", 300, validate=_positive),
        "rate_refused": env.int("GATEWAY_RATE_REFUSED", 100, validate=_positive),
        "rate_per_shopper": env.int("GATEWAY_RATE_PER_SHOPPER", 50, validate=_positive),
        "rate_per_order": env.int("GATEWAY_RATE_PER_ORDER", 10, validate=_positive),
        "trusted_proxies": env.int(
            "GATEWAY_TRUSTED_PROXIES", 0, validate=validate.Range(min=0, max=9)
        ),
        "poll_seconds": env.int("GATEWAY_POLL_SECONDS", 600, validate=_positive),
        "order_ttl": env.int("GATEWAY_ORDER_TTL", 3600, validate=_positive),
        "payment_ttl": env.int("GATEWAY_PAYMENT_TTL", 86400, validate=_positive),
        "reconcile_per_second": env.int("GATEWAY_RECONCILE_PER_SECOND", 10, validate=_positive),
        **_callbacks(env),
    }


def _callbacks(env: Env) -> dict[str, Any]:
    fast = env.bool("WEBHOOK_RETRY_INTERVALS_TEST", False)
    intervals = env.list(
        "GATEWAY_RETRY_INTERVALS", list(RETRY_INTERVALS), subcast=int, validate=_is_schedule
    )
    ports: list[int] | None = env.list(
        "GATEWAY_CALLBACK_PORTS", [443, 8443], subcast=int, validate=_are_ports
    )
    networks: list[str] | None = env.list("GATEWAY_CALLBACK_NETWORKS", [], validate=_are_networks)
    return {
        "callback_timeout": env.float("GATEWAY_CALLBACK_TIMEOUT", 15.0, validate=_seconds),
        "retry_intervals": TEST_RETRY_INTERVALS if fast else tuple(intervals or ()),
        "callback_ports": tuple(ports or ()),
        "callback_networks": tuple(networks or ()),
        "callback_ca_file": env.str("GATEWAY_CALLBACK_CA_FILE", "", validate=_is_file),
        "callback_concurrency": env.int("GATEWAY_CALLBACK_CONCURRENCY", 20, validate=_positive),
        "callback_rate": env.int("GATEWAY_CALLBACK_RATE", 500, validate=_positive),
        "deliveries_kept_days": env.int(
            "GATEWAY_DELIVERIES_KEPT_DAYS", 30, validate=validate.Range(min=1, max=36500)
        ),
    }


_positive = validate.Range(min=0, min_inclusive=False, error="must be greater than 0")
# Two tries of the longest call must end before the lease of their row does.
_seconds = validate.Range(min=0.1, max=20, error="must be from 0.1 to 20 seconds")


def _filled(values: list[str]) -> None:
    """An empty secret would make everybody's signature Stripe's."""
    if not values or not all(value.strip() for value in values):
        raise ValidationError("must be one secret, or several with commas between, none empty")


def _is_schedule(intervals: list[int]) -> None:
    if not 1 <= len(intervals) <= 30 or min(intervals) < 0:
        raise ValidationError("must be 1 to 30 numbers of seconds, such as 0,5,300,1800")


def _are_ports(ports: list[int]) -> None:
    if not ports or not all(0 < port < 65536 for port in ports):
        raise ValidationError("must be ports with commas between, such as 443,8443")


def _are_networks(networks: list[str]) -> None:
    try:
        for network in networks:
            ip_network(network)
    except ValueError as error:
        raise ValidationError(f"must be networks such as 10.1.0.0/16: {error}") from None


def _is_file(path: str) -> None:
    if path and not Path(path).is_file():
        raise ValidationError(f"there is no file {path!r}")


def psycopg2_url(url: str) -> str:
    """`postgres://` and `postgresql://` both mean psycopg2 here, whatever SQLAlchemy's default."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg2"
    return f"{scheme}{separator}{rest}"


def _is_postgresql(url: str) -> None:
    if not psycopg2_url(url).startswith("postgresql+psycopg2://"):
        raise ValidationError("must look like postgresql://user:password@host/database")


def _is_redis(url: str) -> None:
    if urlsplit(url).scheme not in ("redis", "rediss", "unix"):
        raise ValidationError("must look like redis://host:6379/0")


def _is_http(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https") or url.endswith("/"):
        raise ValidationError("must be an http(s) address without a slash at its end")


def _insecure(found: Settings) -> list[str]:
    """What a laptop may do and a machine that moves money may not."""
    faults = []
    if not found.base_url.startswith("https://"):
        faults.append("GATEWAY_BASE_URL: must be https in production")
    if not found.stripe_api_base.startswith("https://"):
        faults.append("STRIPE_API_BASE: must be https in production")
    if len(set(found.secret_key)) < 10:
        faults.append("GATEWAY_SECRET_KEY: is not random; try `openssl rand -hex 32`")
    if 0 < len(found.metrics_token) < METRICS_TOKEN_LENGTH:
        faults.append("GATEWAY_METRICS_TOKEN: must have 16 characters or more, or none at all")
    if found.retry_intervals == TEST_RETRY_INTERVALS:
        faults.append("WEBHOOK_RETRY_INTERVALS_TEST: gives up after seconds; unset in production")
    return faults


def _report(faults: list[str]) -> str:
    lines = "\n".join(f"  {fault}" for fault in faults)
    return f"The configuration cannot be used ({len(faults)} to mend; see .env.example):\n{lines}"
