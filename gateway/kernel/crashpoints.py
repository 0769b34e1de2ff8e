"""Named places where a test may end the process's work, to prove that the next sweep repairs it.

Free unless a test arms them: `arm(hook)` gets every name as the code passes it.
"""

from collections.abc import Callable

Hook = Callable[[str], None]
_hook: Hook | None = None


class Crash(BaseException):
    """What an armed hook raises: no `except Exception` may survive a crash."""


def crashpoint(name: str) -> None:
    if _hook is not None:
        _hook(name)


def arm(hook: Hook | None) -> None:
    """Call `hook(name)` at every crash point from now on; None disarms."""
    global _hook
    _hook = hook
