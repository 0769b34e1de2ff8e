"""One line per request, with ids and without secrets."""

import json
import logging
import time

import pytest
import structlog

from gateway.kernel import logs
from gateway.kernel.db import transaction
from gateway.kernel.events import Event
from gateway.payments.schemas import client_secret

from .support import ACTOR, made, order

SECRETS = [
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "rk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "secret_test_xyz789",
    "secret_live_9MQ4Zt-_x/+=",
    "cs_test_a1_secret_b2c3d4",
]


@pytest.fixture
def lines():
    """What a process of production writes, parsed."""
    root = logging.getLogger()
    before = root.handlers, root.level
    logs.configure("test")

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, logs.redact],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    records = []

    class Keep(logging.Handler):
        def emit(self, record):
            records.append(json.loads(formatter.format(record)))

    root.handlers = [Keep()]
    yield records
    root.handlers, _ = before
    root.setLevel(before[1])
    logs.bind()


def test_secrets_are_redacted_wherever_they_stand(lines):
    for secret in SECRETS:
        logs.get_logger("t").warning("called with %s" % secret, header=f"Bearer {secret} end")  # noqa: UP031
        logging.getLogger("library").warning("url?key=%s&x=1", secret)

    written = json.dumps(lines)
    assert len(lines) == 2 * len(SECRETS)
    assert "[redacted]" in written
    for secret in SECRETS:
        assert secret.rpartition("_")[2] not in written


def test_a_secret_in_a_traceback_is_redacted(lines):
    try:
        raise ValueError("key sk_test_4eC39HqLyjWDarjtT1zdp7dc is wrong")
    except ValueError as error:
        logs.get_logger("t").error("failed", exc_info=error)

    assert "ValueError" in json.dumps(lines)
    assert "4eC39Hq" not in json.dumps(lines)


def test_a_client_secret_is_redacted():
    secret = client_secret("pay_" + "0" * 26)

    assert logs.redact(None, "", {"url": f"/checkout/{secret}"})["url"] == "/checkout/[redacted]"


def test_redacting_a_long_line_takes_no_time():
    """A path is as long as whoever sends it likes."""
    began = time.monotonic()
    logs.redact(None, "", {"path": "x" * 200_000})

    assert time.monotonic() - began < 5  # a square of the length would be minutes


def test_what_is_no_secret_is_kept():
    line = {"event": "request", "route": "/orders/<name>", "status": 200, "key": "key_test_abc123"}

    assert logs.redact(None, "", line) == line


def test_a_line_carries_what_was_bound_and_the_next_job_starts_clean(lines):
    logs.bind(request_id="req_1", subject="pay_1")
    logs.get_logger("t").warning("one")
    logs.bind(task="payments.submit")
    logs.get_logger("t").warning("two")

    one, two = lines
    assert (one["request_id"], one["subject"]) == ("req_1", "pay_1")
    assert two["task"] == "payments.submit"
    assert "request_id" not in two
    assert logs.current_request_id() is None


def test_events_carry_the_request_they_come_from(shop):
    logs.bind(request_id="req_42")
    row = made(order, shop)
    logs.bind()

    with transaction(actor=ACTOR) as tx:
        assert tx.query(Event).filter_by(subject_id=row.id).one().request_id == "req_42"


def test_a_request_is_one_line_with_its_id_and_no_secret(client, shop, lines):
    answer = client.get("/api/v1/orders/none?", headers=shop.headers)

    written = [line for line in lines if line["event"] == "request"]
    assert len(written) == 1
    assert written[0]["request_id"] == answer.headers["Request-Id"]
    assert (written[0]["method"], written[0]["status"]) == ("GET", 404)
    assert written[0]["route"] == "/api/v1/orders/<name>"
    assert shop.secret not in json.dumps(lines)


def test_a_request_line_names_its_actor(client, shop, lines):
    client.get("/api/v1/merchant", headers=shop.headers)

    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["actor"] == f"key:{shop.caller.key_id}"


def test_probes_are_not_logged(client, lines):
    client.get("/healthz")
    client.get("/readyz")

    assert [line for line in lines if line["event"] == "request"] == []
