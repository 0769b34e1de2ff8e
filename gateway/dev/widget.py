"""`python -m gateway.dev.widget`: after an edit of the widget, its types and its hash.

A version that was released never changes: raise `static version` in checkout.js, keep the file as
it was as `released/<version>.js`, then run this.
"""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from gateway.checkout.assets import FOLDER, INTEGRITY
from gateway.dev.places import ROOT

WIDGET, TYPES = FOLDER / "checkout.js", FOLDER / "checkout.d.ts"
TOOLS = ROOT / "tests/node"  # TypeScript, in its lock
CHECKS = ("--allowJs", "--checkJs", "--strict", "--target", "es2022", "--lib", "es2023,dom")
MOST_BYTES = 6000  # as it travels, compressed


def version() -> str:
    found = re.search(r'static version = "(\d+\.\d+\.\d+)"', WIDGET.read_text())
    if found is None:
        raise SystemExit("checkout.js has no version.")
    return found[1]


def integrity(script: bytes) -> str:
    """As `<script integrity>` takes it (www.w3.org/TR/SRI)."""
    return f"sha384-{base64.b64encode(hashlib.sha384(script).digest()).decode()}"


def types(tools: Path, *, node: str = "node") -> str:
    """The declarations of checkout.js, by the TypeScript that is installed in `tools`."""
    with tempfile.TemporaryDirectory() as folder:
        out = ("--declaration", "--emitDeclarationOnly", "--outDir", folder)
        compiler = str(tools / "node_modules/typescript/bin/tsc")
        command = [node, compiler, *CHECKS, *out, str(WIDGET)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        return Path(folder, TYPES.name).read_text()


def main() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not installed; tests/node has what it would install.")
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit"], cwd=TOOLS, check=True)
    TYPES.write_text(types(TOOLS))
    known = json.loads(INTEGRITY.read_text())
    known[version()] = integrity(WIDGET.read_bytes())
    INTEGRITY.write_text(json.dumps(known, indent=2) + "\n")
    print(f"{version()}: {known[version()]}")


if __name__ == "__main__":
    main()
