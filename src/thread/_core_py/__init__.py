"""The core in pure Python: the readable specification of the C extension `thread._core`, and its stand-in.

Each module has the name of a file in `_c`, which says what it is for. Both cores have the same names and pass one test
suite, and `tests/conformance/test_twins.py` compares them.
"""

from __future__ import annotations

from typing import Final

from . import _fork as _fork
from ._blocking import blocking_row, read_blocking
from ._code_info import mark_blocking, mark_reacquisition
from ._events import dropped_events, push_event, take_events, wait_for_events, wake
from ._frames import first_argument
from ._histogram import HistogramCounts
from ._identities import read_locks
from ._locks import LockType, allocate_lock
from ._renaming import object_location, object_name, rename
from ._rlocks import RLock
from ._runtime import (
    configure,
    count_internal_error,
    enter_untracked,
    internal_errors,
    is_untracked,
    leave_untracked,
    listening,
    monotonic_ns,
    reset,
    sites_capped,
    time_ns,
    untracked_count,
)
from ._semaphores import SemaphoreRecord
from ._sites import current_stack, serves_telemetry
from ._spans import current_span, set_tracing
from ._targets import read_threads
from ._tasks import current_task
from ._thread_records import read_live_threads
from ._threads import observed_run, pass_on, start_joinable_thread, start_new_thread
from ._waiters import read_blame, read_current_waits

NAME: Final[str] = "python"

__all__ = [
    "NAME",
    "HistogramCounts",
    "LockType",
    "RLock",
    "SemaphoreRecord",
    "allocate_lock",
    "blocking_row",
    "configure",
    "count_internal_error",
    "current_span",
    "current_stack",
    "current_task",
    "dropped_events",
    "enter_untracked",
    "first_argument",
    "internal_errors",
    "is_untracked",
    "leave_untracked",
    "listening",
    "mark_blocking",
    "mark_reacquisition",
    "monotonic_ns",
    "object_location",
    "object_name",
    "observed_run",
    "pass_on",
    "push_event",
    "read_blame",
    "read_blocking",
    "read_current_waits",
    "read_live_threads",
    "read_locks",
    "read_threads",
    "rename",
    "reset",
    "serves_telemetry",
    "set_tracing",
    "sites_capped",
    "start_joinable_thread",
    "start_new_thread",
    "take_events",
    "time_ns",
    "untracked_count",
    "wait_for_events",
    "wake",
]
