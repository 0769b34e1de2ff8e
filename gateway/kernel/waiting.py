"""`Prefer: wait=N` (RFC 7240): hold the answer until something changes, N seconds at most.

A browser asks by `?wait=N`, since a header of its own would cost it a question before the question,
and says by `seen` what it knows already, so that no change between two calls is missed.

A convenience that may be refused: only a few threads wait at a time, on short transactions, so
that waiting readers can never keep out those who pay.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from flask import request

from gateway.kernel.idempotency import Answer

LONGEST_SECONDS = 20
LOOK_SECONDS = 0.25
# A web process has eight threads or more; no more than half of them may wait.
_waiters = threading.BoundedSemaphore(4)


def wished_seconds() -> int:
    """N of `Prefer: wait=N`, at most 20; 0 when there is no such wish. Others are ignored.

    A query's `wait` has been through its schema, wherever there can be one.
    """
    wish = re.search(r"(?:^|[,;]\s*)wait=(\d{1,4})", request.headers.get("Prefer", ""))
    seconds = wish[1] if wish else request.args.get("wait", "0")
    return min(int(seconds), LONGEST_SECONDS)


def until_changed(answer: Answer, look: Callable[[], Answer], field: str) -> Answer:
    """`answer`, or what `look()` finds once its `field` is another or the wish is over."""
    seconds = wished_seconds()
    before = request.args.get("seen") or _value(answer, field)
    if not seconds or _value(answer, field) != before:
        return answer
    if not _waiters.acquire(blocking=False):
        return replace(answer, retry_after=1)
    try:
        deadline = time.monotonic() + seconds
        while _value(answer, field) == before and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            answer = look()
        return answer
    finally:
        _waiters.release()


def _value(answer: Answer, field: str) -> str:
    return str(json.loads(answer.body)[field])
