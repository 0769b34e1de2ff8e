"""Where a demo keeps its things: all of it under `var/`, which `./run reset` empties."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
VAR = ROOT / "var"
DEMO_ENV = VAR / "demo.env"  # the environment of a running demo, for the gateway command
