"""Where a demo keeps its things: all of it under `var/`, which `./run reset` empties.

GATEWAY_VAR names another folder, so that two demos can live beside each other.
"""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
VAR = Path(os.environ.get("GATEWAY_VAR") or ROOT / "var")
DEMO_ENV = VAR / "demo.env"  # the environment of a running demo, for the gateway command
