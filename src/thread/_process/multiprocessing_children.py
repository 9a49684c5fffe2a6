"""Processes of `multiprocessing`, which end by `os._exit`, without the interpreter's own end.

Those forked by a process or by its fork server run no `atexit` handler up to 3.12; from 3.13 on they run the handlers
that were registered in them. The others start and end as any interpreter does.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from typing import Any, Final

_RUNS_ATEXIT_HANDLERS: Final = sys.version_info >= (3, 13)


class _Ends:
    """A key under which `multiprocessing` remembers the function for the exit."""

    def __init__(self, at_exit: Callable[[], object]) -> None:
        self.at_exit = at_exit


_ends: list[_Ends] = []


def call_at_exit(at_exit: Callable[[], object]) -> None:
    """Call a function at the end of this process if `multiprocessing` forked it, and at the end of children it forks.

    Call this when the telemetry is imported, and in each forked child: by then the parent has imported
    `multiprocessing`.
    """
    util: Any = sys.modules.get("multiprocessing.util")
    # A parent's registration is there in its children.
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
