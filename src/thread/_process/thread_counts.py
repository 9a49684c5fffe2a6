"""Counts of the threads of this process: ours and the program's."""

from __future__ import annotations

import os
from _thread import _count, get_native_id
from collections import namedtuple

from .own_threads import native_ids, running_threads

Company = namedtuple("Company", ["ours", "others", "others_in_python"])
"""Threads beside the calling one: ours; those of the program that the operating system lists; those of the program that
the interpreter knows. A thread that was joined a moment ago is listed, but not known."""


_counted_at_fork = 0
"""Threads of the parent, which the interpreter goes on counting in a forked child."""


def thread_count() -> int:
    """Number of Python threads that run, the main thread excluded."""
    return max(_count() - _counted_at_fork, 0)


def company() -> Company:
    """Count the other threads of this process."""
    # In this order: ours are known before they begin, and still when they have ended.
    counted = thread_count()
    listed = tasks()
    running = running_threads()
    if listed is None:
        others = max(counted - len(running), 0)
        return Company(len(running), others, others)
    listed.discard(get_native_id())
    # Threads that are about to begin have recorded no native id yet.
    beginning = sum(not each.has_begun for each in running)
    known = listed.intersection(native_ids.copy())
    ours = len(known) + beginning
    return Company(ours, max(len(listed) - ours, 0), max(counted - ours, 0))


def tasks() -> set[int] | None:
    """Native ids of all threads of this process, None if the platform does not list them."""
    try:
        return set(map(int, os.listdir("/proc/self/task")))
    except OSError:
        return None


def forget_all() -> None:
    """Count from zero, in a forked child."""
    global _counted_at_fork
    _counted_at_fork = _count()
