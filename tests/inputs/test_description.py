"""Requests made of `/openapi.json`, by a generator that holds every answer against it.

What the description allows is not always taken: an order may not be there, a key may be used up.
So positive data are sent too, but only what is refused has to be refused.
"""

from collections import Counter

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import (
    EngineFinished,
    FatalError,
    NonFatalError,
    ScenarioFinished,
)

from gateway.dev.seed import KEY, SECRET

SEED, EXAMPLES = 20260131, 2
# Readiness needs workers, and Stripe's webhook a signature.
LEFT_OUT = ("/readyz", "/webhooks/stripe")


def config(url):
    return SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "base-url": url,
            "headers": {"X-Api-Key": KEY, "X-Api-Secret": SECRET},
            "cache": {"enabled": False},
            "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
            "phases": {"stateful": {"enabled": False}},
            "checks": {"positive_data_acceptance": {"enabled": False}},
        }
    )


def test_every_answer_is_as_described(server):
    url = f"http://127.0.0.1:{server.port}"
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config(url))
    for path in LEFT_OUT:
        schema = schema.exclude(path=path)

    asked, faults = run(schema)

    assert not faults, "\n\n".join(faults[:10])
    assert sum(asked.values()) > 1000
    assert {200, 201, 401, 404, 405, 422} <= set(asked)
    assert not [status for status in asked if status >= 500]


def run(schema):
    """(how often each status was answered, what was wrong)."""
    asked, faults = Counter(), []
    for event in from_schema(schema).execute():
        if isinstance(event, ScenarioFinished):
            recorder = event.recorder
            asked.update(
                each.response.status_code
                for each in recorder.interactions.values()
                if each.response is not None
            )
            for checks in recorder.checks.values():
                faults += [told(recorder, check) for check in checks if check.failure_info]
        if isinstance(event, FatalError):
            faults.append(repr(event.exception))
        if isinstance(event, NonFatalError):
            faults.append(f"{event.label}: {event.value!r}")
    assert isinstance(event, EngineFinished)
    return asked, faults


def told(recorder, check):
    why = check.failure_info
    return f"{recorder.label} {check.name}: {why.failure!r}\n{why.code_sample}"
