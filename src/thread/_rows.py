"""Rows: the records that cross from the core to Python, with names for their fields.

Both cores return rows in this order. The pure-Python core builds these types; the C core, and what `_inspection` and
`_observed` record by themselves, build plain tuples of the same length. Readers name the fields with `_make`.

Fields that end in `_ns` are nanoseconds; points in time are readings of `core.monotonic_ns`. Sites are `SiteRow`s and
durations are `HistogramRow`s, as plain tuples too. `tests/core/test_rows.py` compares the rows of both cores with this.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final, NamedTuple


class SiteRow(NamedTuple):
    """A line of code."""

    function: str
    """Module and qualified name, such as `shop.cache.Cache.get`."""
    filename: str
    line: int


Site = tuple[str, str, int]
"""A `SiteRow`, or a plain tuple in its order."""


class HistogramRow(NamedTuple):
    """Durations that were recorded. None stands for no duration at all."""

    recorded: int
    """Number of durations."""
    sum_ns: int
    max_ns: int
    buckets: tuple[int, ...]
    """Counts that do not add up: one per bound of `Histogram.bounds`, and one for longer durations."""


Histogram = tuple[int, int, int, tuple[int, ...]]
"""A `HistogramRow`, or a plain tuple in its order."""


class LockRow(NamedTuple):
    """Totals of one lock identity: all locks of one name and kind. From `read_locks`."""

    name: str
    kind: str
    """`lock`, `rlock`, `semaphore` or `bounded_semaphore`."""
    location: str
    """`file:line` of the site that created the first of these locks."""
    live: int
    """Locks that exist now."""
    acquisitions: int
    contentions: int
    """Acquisitions that had to wait."""
    timeouts: int
    wait: Histogram | None
    hold: Histogram | None
    """Of the sampled acquisitions only."""
    waiters: int
    """Threads that wait now."""
    oldest_wait_ns: int
    """Age of the oldest wait in progress; 0 if no thread waits."""


class BlameRow(NamedTuple):
    """Waits for the locks of one identity, by the site that waited and the site of the owner. From `read_blame`.

    Includes what waits in progress have lasted until now.
    """

    name: str
    kind: str
    acquire_site: Site
    owner_site: Site
    waits: int
    """Waits that met this owner."""
    waited_ns: int


class BlockingWaitRow(NamedTuple):
    """Waits for something other than a lock. From `read_blocking`."""

    kind: str
    """`condition`, `event`, `queue`, `join` and so on."""
    name: str
    site: Site
    """The line of the program that waited."""
    duration: Histogram | None
    """Of the finished waits."""
    waiters: int
    """Threads that wait now."""
    oldest_wait_ns: int
    """Age of the oldest wait in progress; 0 if no thread waits."""


class CurrentWaitRow(NamedTuple):
    """A wait for a lock in progress. From `read_current_waits`."""

    ident: int
    """The thread that waits."""
    lock: str
    kind: str
    since_ns: int
    owner: int
    """Ident of the thread that holds the lock, 0 if none is known."""


class TargetRow(NamedTuple):
    """Threads of one target. From `read_threads`."""

    target: str
    started: int
    finished: int
    start_delay: Histogram | None
    lifetime: Histogram | None
    cpu_time_ns: int
    """Of the finished threads."""


class LiveThreadRow(NamedTuple):
    """A running thread that was started under observation. From `read_live_threads`."""

    ident: int
    native_id: int
    target: str
    started_ns: int


class ExecutorRow(NamedTuple):
    """Totals of all executors of one name. From `read_executors`."""

    name: str
    live: int
    """Executors that exist now."""
    workers: int
    """Threads of theirs that run now."""
    busy: int
    """Tasks that run now."""
    queue_length: int
    """Tasks that wait for a worker now."""
    submitted: int
    finished: int
    unread_exceptions: int
    """Tasks whose future was dropped before anybody read its exception."""
    queue_duration: Histogram | None
    """From the submission of a task to its start."""
    run_duration: Histogram | None


class ExceptionRow(NamedTuple):
    """Unhandled exceptions of one type in one target. From `read_exceptions`."""

    type: str
    target: str
    occurrences: int
    last_traceback: str
    last_at_ns: int
    source: Any
    """`thread` or `future`: what the exceptions ended."""


class SlowWaitRow(NamedTuple):
    """A wait that took longer than `slow_wait`. An event."""

    event: str
    lock: str
    kind: str
    location: str
    ident: int
    native_id: int
    acquire_stack: tuple[Site, ...]
    acquire_site: Site
    owner_ident: int
    """The thread that kept the lock for the longest part of the wait, 0 if none was seen."""
    owner_stack: tuple[Site, ...]
    owner_site: Site
    waiters: int
    """Threads that waited when the evidence was taken, this one included."""
    task: str | None
    span: Any
    """Context of the span that the waiter was in, or None."""
    owner_span: Any
    started_ns: int
    duration_ns: int
    gil_wait_ns: int | None
    """Part of the duration in which the lock was free but the GIL was not; None if unknown."""
    outcome: Any
    """`acquired`, `timed out` or `interrupted`."""


class ThreadFinishedRow(NamedTuple):
    """The end of a thread. An event."""

    event: str
    ident: int
    native_id: int
    target: str
    starter: Site
    requested_ns: int
    start_delay_ns: int
    """From the request to the first line of the function."""
    lifetime_ns: int
    cpu_time_ns: int
    outcome: Any
    """`returned`, `exited` or `raised`."""
    starter_span: Any
    """Context of the span that the thread was started in, or None."""
    thread_span: Any
    """The thread's own span, or None."""
    starter_span_itself: Any
    """The span that the thread was started in, if it still exists, or None."""


class UnhandledExceptionRow(NamedTuple):
    """An exception that nobody handled. An event."""

    event: str
    type: str
    message: str
    target: str
    ident: int
    native_id: int
    at_ns: int
    traceback: Any
    """`str` gives the text of the stack trace."""
    site: Site
    source: Any
    """`thread` or `future`: what the exception ended."""
    span: Any
    """Context of the span that the exception was raised in, or None."""


EventRow = SlowWaitRow | ThreadFinishedRow | UnhandledExceptionRow

EVENT_ROWS: Final[dict[str, type[SlowWaitRow] | type[ThreadFinishedRow] | type[UnhandledExceptionRow]]] = {
    "slow_wait": SlowWaitRow,
    "thread_finished": ThreadFinishedRow,
    "unhandled_exception": UnhandledExceptionRow,
}
"""Event rows by their first field."""

event_kind: Final = itemgetter(SlowWaitRow._fields.index("event"))
"""The first field of an event row of any kind."""

lock_identity: Final = itemgetter(LockRow._fields.index("name"), LockRow._fields.index("kind"))
"""Name and kind of a `LockRow`, without the cost of naming all of its fields."""
