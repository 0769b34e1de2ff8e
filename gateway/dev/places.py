"""Where a demo keeps its things: all of it under `var/`, which `./run reset` empties.

GATEWAY_VAR names another folder, so that two demos can live beside each other.
"""

import fcntl
import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
VAR = Path(os.environ.get("GATEWAY_VAR") or ROOT / "var")
DEMO_ENV = VAR / "demo.env"  # the environment of a running demo, for the gateway command
DEMO_LOCK = VAR / "demo.lock"  # held while a demo runs


def demo_runs() -> bool:
    """Whether a demo runs here now; one that was killed leaves its environment behind."""
    if not DEMO_ENV.exists():
        return False
    with DEMO_LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
