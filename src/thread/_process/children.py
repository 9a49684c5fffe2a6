"""Child processes of this one. Each records its own threads, or nobody does."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

_MOST_THREADS: Final = 256
"""Linux lists children by the thread that made them; reading the lists of more threads would take too long."""


def running() -> int:
    """Number of child processes now. On platforms that do not tell the number, 1 stands for some."""
    if not _are_there_any():
        return 0
    return _listed() or 1


def cpu_time() -> float:
    """CPU time, in seconds, of the children that ended and were waited for, with their own children."""
    times = os.times()
    return times.children_user + times.children_system


def _are_there_any() -> bool:
    # Looks without waiting and leaves every exit status to the program.
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return True


def _listed() -> int:
    count = 0
    with suppress(OSError):
        for task in os.listdir("/proc/self/task")[:_MOST_THREADS]:
            with suppress(OSError), open(f"/proc/self/task/{task}/children", "rb") as children:
                count += len(children.read().split())
    return count
