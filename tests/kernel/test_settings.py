"""The environment: read once, refused whole, with every reason in one message."""

import os

import pytest

from gateway.settings import RETRY_INTERVALS, InvalidSettings, psycopg2_url, settings

SOUND = {
    "DATABASE_URL": "postgresql://app@db/gateway",
    "GATEWAY_SECRET_KEY": "0123456789abcdef0123456789abcdef",
    "STRIPE_SECRET_KEY": "sk_live_x",
    "STRIPE_WEBHOOK_SECRET": "whsec_x",
    "GATEWAY_BASE_URL": "https://pay.example",
}
OURS = ("GATEWAY_", "STRIPE_", "DATABASE_", "REDIS_", "CELERY_", "WEBHOOK_")


@pytest.fixture
def read(monkeypatch):
    """Settings from exactly this environment; `None` leaves a variable of SOUND out."""

    def load(**changes):
        for name in list(os.environ):
            if name.startswith(OURS):
                monkeypatch.delenv(name)
        for name, value in (SOUND | changes).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        settings.cache_clear()
        return settings()

    yield load
    monkeypatch.undo()
    settings.cache_clear()


def refusal(read, **changes):
    with pytest.raises(InvalidSettings) as refused:
        read(**changes)
    return str(refused.value)


def test_production_is_the_default_and_a_sound_environment_is_enough(read):
    found = read()

    assert found.is_production
    assert found.retry_intervals == RETRY_INTERVALS
    assert found.broker_url == found.redis_url == "redis://127.0.0.1:6379/0"


def test_every_fault_is_named_at_once(read):
    message = refusal(
        read,
        DATABASE_URL="mysql://db",
        GATEWAY_SECRET_KEY="short",
        STRIPE_SECRET_KEY=None,
        STRIPE_WEBHOOK_SECRET="",
        GATEWAY_ENV="staging",
        GATEWAY_BASE_URL="https://pay.example/",
        GATEWAY_LOG_LEVEL="LOUD",
        GATEWAY_POLL_SECONDS="0",
        GATEWAY_RECONCILE_PER_SECOND="many",
        GATEWAY_STRIPE_TIMEOUT="-1",
        GATEWAY_DELIVERIES_KEPT_DAYS="0",
        REDIS_URL="http://redis",
        STRIPE_API_BASE="ftp://stripe",
    )

    for name in (
        "DATABASE_URL",
        "GATEWAY_SECRET_KEY",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "GATEWAY_ENV",
        "GATEWAY_BASE_URL",
        "GATEWAY_LOG_LEVEL",
        "GATEWAY_POLL_SECONDS",
        "GATEWAY_RECONCILE_PER_SECOND",
        "GATEWAY_STRIPE_TIMEOUT",
        "GATEWAY_DELIVERIES_KEPT_DAYS",
        "REDIS_URL",
        "STRIPE_API_BASE",
    ):
        assert f"{name}: " in message
    assert "13 to mend" in message


def test_no_secret_is_shown_in_a_refusal(read):
    message = refusal(read, GATEWAY_SECRET_KEY="hunter2-hunter2", GATEWAY_ENV="staging")

    assert "hunter2" not in message


def test_production_refuses_what_is_insecure_all_at_once(read):
    message = refusal(
        read,
        GATEWAY_BASE_URL="http://pay.example",
        STRIPE_API_BASE="http://127.0.0.1:9",
        GATEWAY_SECRET_KEY="ab" * 20,
        WEBHOOK_RETRY_INTERVALS_TEST="true",
        GATEWAY_METRICS_TOKEN="guess-me",
    )

    for name in (
        "GATEWAY_METRICS_TOKEN",
        "GATEWAY_BASE_URL",
        "STRIPE_API_BASE",
        "GATEWAY_SECRET_KEY",
        "WEBHOOK_RETRY_INTERVALS_TEST",
    ):
        assert f"{name}: " in message


@pytest.mark.parametrize("where", ["demo", "test"])
def test_a_laptop_may_be_insecure(read, where):
    found = read(GATEWAY_ENV=where, GATEWAY_BASE_URL="http://x", GATEWAY_SECRET_KEY="a" * 32)

    assert not found.is_production


@pytest.mark.parametrize("url", ["postgres://u:p@h:5/d?x=1", "postgresql://u:p@h:5/d?x=1"])
def test_both_names_of_postgresql_mean_psycopg2(read, url):
    assert read(DATABASE_URL=url).database_url == "postgresql+psycopg2://u:p@h:5/d?x=1"


def test_a_url_that_names_its_driver_is_kept():
    assert psycopg2_url("postgresql+psycopg2://h/d") == "postgresql+psycopg2://h/d"


def test_webhook_secrets_come_as_a_list_while_rotating(read):
    assert read(STRIPE_WEBHOOK_SECRET="whsec_a,whsec_b").stripe_webhook_secrets == (
        "whsec_a",
        "whsec_b",
    )


@pytest.mark.parametrize("value", ["whsec_a,", ",whsec_a", "whsec_a, ", " "])
def test_an_empty_webhook_secret_is_never_one(read, value):
    """Whoever knows that a secret is empty could sign as Stripe."""
    try:
        secrets = read(STRIPE_WEBHOOK_SECRET=value).stripe_webhook_secrets
    except InvalidSettings:
        return
    assert secrets == ("whsec_a",)


@pytest.mark.parametrize("value", ["-1,5", "", "0,x"])
def test_intervals_that_make_no_schedule_are_refused(read, value):
    assert "GATEWAY_RETRY_INTERVALS" in refusal(read, GATEWAY_RETRY_INTERVALS=value)


def test_intervals_can_be_chosen(read):
    assert read(GATEWAY_RETRY_INTERVALS="0,60,3600").retry_intervals == (0, 60, 3600)


def test_settings_cannot_be_changed(read):
    with pytest.raises(AttributeError):
        read().env = "demo"
