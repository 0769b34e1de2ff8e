"""`./run bench NAME [--json]`: measure, and say how it compares with the least that could do it."""

import argparse
import json
import sys
from importlib import import_module
from typing import Any

BENCHES = {
    "payments": "accepting payments, against a bare route that commits the same rows",
    "stripe-webhooks": "taking Stripe's events, against a bare inbox",
    "relay": "numbering and fanning out events, against two bare statements",
    "refresh": "asking Stripe where payments stand, against asking alone",
    "callbacks": "delivering callbacks, against a bare asyncio loop",
    "reconcile": "comparing 15,000 payments with Stripe, against the pace it keeps to",
}


def main() -> None:
    options = _options()
    for name in [options.name] if options.name else BENCHES:
        bench = import_module("gateway.dev.bench." + name.replace("-", "_"))
        found = {"name": name, **bench.measure(_say)}
        print(json.dumps(found) if options.json else _table(found), flush=True)


def _options() -> argparse.Namespace:
    names = "\n".join(f"  {name:16} {what}" for name, what in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description=__doc__,
        epilog=f"benches:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", choices=BENCHES, help="one of them; all when left out")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _table(found: dict[str, Any]) -> str:
    lines = []
    for name, value in found.items():
        if isinstance(value, dict):
            value = "  ".join(f"{key} {inner}" for key, inner in value.items())
        lines.append(f"  {name.replace('_', ' '):28} {value}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
