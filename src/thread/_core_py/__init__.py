"""The core in pure Python: the readable specification of the C extension `thread._core`, and its stand-in.

`_state` holds what all of it shares, `_places` maps code to identities and sites, `_records` keeps the totals,
`_events` the bounded buffer, `_locks` the two lock types, `_waits` what happens when one has to wait, `_blocking` the
waits that are no contention, `_threads` what starts threads, `_spans` which span of a trace a thread runs in, `_frames`
what other threads are at. Both cores have the same names and pass one test suite, and
`tests/conformance/test_twins.py` compares them.
"""

from __future__ import annotations

from typing import Final

from .._base.histogram_counts import HistogramCounts
from ._blocking import blocking_row, read_blocking
from ._clocks import time_ns
from ._events import dropped_events, push_event, take_events, wait_for_events, wake
from ._frames import first_argument
from ._locks import LockType, RLock, allocate_lock
from ._places import current_stack, mark_blocking, serves_telemetry
from ._records import read_blame, read_locks, sites_capped
from ._renaming import object_location, object_name, rename
from ._semaphores import SemaphoreRecord
from ._spans import current_span, set_tracing
from ._state import (
    configure,
    count_internal_error,
    enter_untracked,
    internal_errors,
    is_untracked,
    leave_untracked,
    listening,
    monotonic_ns,
    reset,
    untracked_count,
)
from ._tasks import current_task
from ._threads import observed_run, pass_on, read_live_threads, read_threads, start_joinable_thread, start_new_thread
from ._waits import mark_reacquisition, read_current_waits

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
