"""`./run reset`: forget everything the demo has kept. Refuses while a demo runs."""

import fcntl
import shutil
import sys

from gateway.dev.embedded import Postgres
from gateway.dev.places import DEMO_LOCK, VAR

KEPT = ("install.log", "install.lock", "demo.lock")


def main() -> None:
    VAR.mkdir(exist_ok=True)
    with DEMO_LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit("A demo runs in this folder: end it with Ctrl-C first.")
        Postgres.at(VAR / "postgres").erase()
        for path in VAR.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in KEPT:
                path.unlink()
    print("Forgotten: the demo's database, messages, sandbox and logs.")


if __name__ == "__main__":
    main()
