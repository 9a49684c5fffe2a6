"""Child processes of this one: what they do is recorded by themselves, or by nobody."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

_MOST_THREADS: Final = 256
"""Linux lists children by the thread that made them; to read the lists of more threads would take a while."""


def running() -> int:
    """How many child processes there are now. Where the platform does not tell the number, 1 stands for some."""
    if not _are_there_any():
        return 0
    return _listed() or 1


def cpu_time() -> float:
    """Seconds of CPU time that children have used which have ended and been waited for, and theirs."""
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
