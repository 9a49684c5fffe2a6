"""Single lines on stderr for the person at the terminal, used before any better channel exists."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Write `thread: ` and the line. Never raises: a program may have closed stderr, or never had one."""
    try:
        sys.stderr.write(f"thread: {line}\n")
        sys.stderr.flush()
    except Exception:
        pass
