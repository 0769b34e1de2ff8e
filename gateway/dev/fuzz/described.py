"""Requests that a generator makes of `/openapi.json`: what it allows, and what it does not."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from gateway.dev.fuzz.wire import Sent, request
from gateway.dev.seed import KEY, SECRET

LEFT_OUT = ("/readyz",)  # 503 is its answer while nobody works


def rounds(described: dict[str, Any]) -> Iterator[tuple[Any, GenerationMode]]:
    """Every operation, with data as allowed and as not allowed."""
    schema = schemathesis.openapi.from_dict(described)
    for path, methods in described["paths"].items():
        if path not in LEFT_OUT:
            for method in methods:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    yield schema[path][method.upper()], mode


def generate(
    described: dict[str, Any], url: str, total: int, number: int, take: Callable[[Sent], None]
) -> None:
    """Hand `total` requests to `take`, evenly over the operations, as the seed `number` says."""
    every = list(rounds(described))
    for place, (operation, mode) in enumerate(every):
        share = total // len(every) + (place < total % len(every))
        if share:
            _one(operation, mode, share, number + place, lambda case: _hand(case, url, take))


def _one(
    operation: Any, mode: GenerationMode, share: int, number: int, hand: Callable[[Any], None]
) -> None:
    @seed(number)
    @settings(
        max_examples=share,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def make(case: Any) -> None:
        hand(case)

    with suppress(Unsatisfiable):  # an operation without a body or parameters cannot be wrong
        make()


def _hand(case: Any, url: str, take: Callable[[Sent], None]) -> None:
    """The request as bytes, if it can be written as such: some headers cannot."""
    try:
        case.headers = {**(case.headers or {}), "X-Api-Key": KEY, "X-Api-Secret": SECRET}
        prepared = requests.Request(**case.as_transport_kwargs(base_url=url)).prepare()
        headers = [
            (_bytes(name), _bytes(value))
            for name, value in prepared.headers.items()
            if name.lower() not in ("connection", "prefer")
        ]
    except (requests.RequestException, UnicodeError, ValueError, TypeError):
        return
    headers += [(b"Host", b"gateway.example"), (b"Connection", b"close")]
    body = prepared.body or b""
    body = body if isinstance(body, bytes) else str(body).encode()
    method, target = str(prepared.method), _bytes(prepared.path_url)
    sound = len(body) <= 65_536 and len(target) < 60_000
    take(Sent(request(method, target, headers, body), method, sound))


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("latin-1")
