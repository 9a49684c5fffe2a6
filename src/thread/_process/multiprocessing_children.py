"""Processes of `multiprocessing`, which end without the interpreter's own end: by `os._exit`.

Those that are forked, by a process or by its fork server, run no `atexit` handler up to 3.12, and from 3.13 on those
that were registered in them. The others start as any interpreter does, and end like that.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from typing import Any, Final

_RUNS_ATEXIT_HANDLERS: Final = sys.version_info >= (3, 13)


class _Ends:
    """What `multiprocessing` is given to remember what it was given for."""

    def __init__(self, at_exit: Callable[[], object]) -> None:
        self.at_exit = at_exit


_ends: list[_Ends] = []


def call_at_exit(at_exit: Callable[[], object]) -> None:
    """Call it at the end of this process, if it is or turns out to be one that `multiprocessing` forked, and of others.

    To be called when the telemetry is imported, and in each forked child: by then the parent has imported what it forks
    with.
    """
    util: Any = sys.modules.get("multiprocessing.util")
    # What a parent registered is there in its children.
    if util is None or _ends:
        return
    ends = _Ends(at_exit)
    _ends.append(ends)
    util.register_after_fork(ends, _begin)
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        # Its target is running already.
        _begin(ends)


def _begin(ends: _Ends) -> None:
    util: Any = sys.modules["multiprocessing.util"]
    if _RUNS_ATEXIT_HANDLERS:
        atexit.register(ends.at_exit)
        return
    flush = util._flush_std_streams

    def end() -> None:
        # Nothing else is called once the last thread of the program has ended.
        util._flush_std_streams = flush
        try:
            ends.at_exit()
        finally:
            flush()

    util._flush_std_streams = end
