"""`Prefer: wait=N` (RFC 7240): hold the answer until the status changes, N seconds at most.

A convenience that may be refused: only a few threads wait at a time, on short transactions, so
that waiting readers can never keep out those who pay.
"""

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
    """N of `Prefer: wait=N`, at most 20; 0 when there is no such wish. Others are ignored."""
    wish = re.search(r"(?:^|[,;]\s*)wait=(\d{1,4})", request.headers.get("Prefer", ""))
    return min(int(wish[1]), LONGEST_SECONDS) if wish else 0


def until_changed(
    answer: Answer, look: Callable[[], Answer], status: Callable[[Answer], str]
) -> Answer:
    """`answer`, or what `look()` finds once the status is another or the wish is over."""
    seconds = wished_seconds()
    if not seconds:
        return answer
    if not _waiters.acquire(blocking=False):
        return replace(answer, retry_after=1)
    try:
        before, deadline = status(answer), time.monotonic() + seconds
        while status(answer) == before and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            answer = look()
        return answer
    finally:
        _waiters.release()
