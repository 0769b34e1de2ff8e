"""Runs a receiver of which the webhook library believes that it is another time.

python at.py SECONDS receiver_flask.py
"""

import runpy
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from standardwebhooks import webhooks


def clock(seconds: int) -> type[datetime]:
    """A `datetime` whose now never changes."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(seconds, tz)

    return Stopped


if __name__ == "__main__":
    webhooks.datetime = clock(int(sys.argv[1]))
    sys.path.insert(0, str(Path(sys.argv[2]).parent))
    runpy.run_path(sys.argv[2], run_name="__main__")
