"""Our threads make way for a fork, and come back after it.

If all threads but the forking one are ours, they end before the fork. The child of a process with one thread is safe,
and the interpreter, which from 3.12 on warns of a fork with several threads, has nothing to warn of. A program with
threads of its own forks as ever, and our threads go on.
"""

from __future__ import annotations

import sys
from collections import deque
from time import sleep

from .._backend import core
from . import fork, fork_warning, own_threads, thread_counts
from .clock import monotonic
from .own_threads import UnobservedThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_FIRST_PAUSE: Final = 0.00002
_PATIENCE: Final = 0.010
"""Longest delay of a fork, in seconds, by an exporter that is in the middle of a call."""
_COUNTED_WHEN_THEY_ARE_BACK: Final = sys.version_info[:2] == (3, 13)
"""True if the interpreter counts the threads only after it has called the functions registered for the parent."""

_away: Final[deque[UnobservedThread]] = deque()
"""Threads that made way for the present fork."""
_missing: Final[deque[UnobservedThread]] = deque()
"""Threads that could not come back, since no thread could be started."""


def register() -> None:
    """Do all this at forks from now on. A second call does nothing."""
    fork.register(before=make_way, in_parent=come_back, in_child=forget_all)


def make_way() -> None:
    """End our threads, if there is no other thread but this one. Takes up to `_PATIENCE`."""
    fork_warning.restore()
    if not _is_alone_with_ours():
        return
    threads = [each for each in own_threads.running_threads() if each.makes_way]
    _away.extend(threads)
    until = monotonic() + _PATIENCE
    pause = _FIRST_PAUSE
    while not _alone():
        for thread in threads:
            thread.leave()
        if monotonic() > until:
            fork_warning.suppress()
            return
        sleep(pause)
        pause = min(pause * 2, 0.001)


def _is_alone_with_ours() -> bool:
    until = monotonic() + _PATIENCE / 10
    while True:
        ours, others, others_in_python = thread_counts.company()
        if not ours or not others:
            return bool(ours)
        if others_in_python or monotonic() > until:
            return False
        # It may have been joined a moment ago, or a library has threads of its own.
        sleep(_FIRST_PAUSE)


def come_back() -> None:
    """Start the threads again in the parent."""
    if _away and _COUNTED_WHEN_THEY_ARE_BACK:
        fork_warning.suppress()
    _begin_anew(_away)


def bring_back_the_missing() -> None:
    """Try again to start those that could not come back. Safe in any thread and signal handler."""
    if _missing:
        _begin_anew(_missing)


def _begin_anew(threads: deque[UnobservedThread]) -> None:
    for _ in range(len(threads)):
        try:
            thread = threads.popleft()
        except IndexError:
            return
        try:
            thread.come_back()
        except BaseException as error:
            _missing.append(thread)
            if not isinstance(error, RuntimeError):
                raise
            core.count_internal_error()


def forget_all() -> None:
    """Forget our threads in the child, which has none of them."""
    _away.clear()
    _missing.clear()
    own_threads.forget_all()
    thread_counts.forget_all()
    fork_warning.restore()


def _alone() -> bool:
    tasks = thread_counts.tasks()
    return not own_threads.running_threads() if tasks is None else len(tasks) == 1
