"""Reader of the totals: a `Snapshot` of the rows of the core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import sleep
from typing import Any, Final

from .._backend import began_at, core
from .._base.interruptions import internal_errors_below_the_core
from .._inspection.unhandled import read_exceptions
from .._observed import coverage as _coverage
from .._observed.executors import read_executors
from .._process import children, clock
from .._process.guards import guarded
from .._process.thread_counts import thread_count
from .._rows import (
    BlameRow,
    BlockingWaitRow,
    ExceptionRow,
    ExecutorRow,
    LockRow,
    TargetRow,
    lock_identity,
)
from .._version import VERSION, python_version
from .histogram import Histogram
from .live_threads import RawLiveThread, read_live_threads
from .sites import Sites
from .snapshot import (
    BlockingStats,
    Coverage,
    ExceptionStats,
    ExecutorStats,
    ExporterStats,
    LiveThread,
    LockStats,
    Snapshot,
    ThreadStats,
    WaitStats,
)

_NOTHING_RECORDED = Histogram()
_UNKNOWN_COVERAGE = Coverage(core.NAME, False, 0, 0, False, 0)
_LOCKS_AT_ONCE = 256
"""Locks between two offers of the GIL to other threads: about a millisecond, where they would have to wait five."""


def read_snapshot(dropped_by_exporters: int, exporters: tuple[ExporterStats, ...] = ()) -> Snapshot:
    """Everything recorded until now.

    Takes no lock, hence safe in signal handlers, finalizers and exporters.
    """
    guarded(clock.calibrate)
    sites = Sites()
    nothing: list[Any] = []
    threads = guarded(core.read_threads, otherwise=nothing)
    # Read after the totals: a thread that ends in between is missing from the sum for a moment, which `_CpuTimes` makes
    # good. The other way round it would be counted twice, and the sum would stay too high.
    live = guarded(read_live_threads, otherwise=nothing)
    return Snapshot(
        taken_at=guarded(clock.unix_time, core.monotonic_ns(), otherwise=0.0),
        locks=guarded(lambda: tuple(_known_locks.read()), otherwise=()),
        waits=guarded(lambda: tuple(_waits(sites)), otherwise=()),
        blocking=guarded(lambda: tuple(_blocking(sites)), otherwise=()),
        executors=guarded(lambda: tuple(_executors()), otherwise=()),
        threads=guarded(lambda: tuple(_thread_stats(threads, live)), otherwise=()),
        live_threads=guarded(lambda: tuple([_live_thread(thread) for thread in live]), otherwise=()),
        exporters=exporters,
        exceptions=guarded(lambda: tuple(_exceptions()), otherwise=()),
        dropped_events=core.dropped_events() + dropped_by_exporters,
        coverage=guarded(_coverage_of, live, otherwise=_UNKNOWN_COVERAGE),
        began_at=guarded(began_at, otherwise=0.0),
    )


def _waits(sites: Sites) -> Iterator[WaitStats]:
    for row in map(BlameRow._make, core.read_blame()):
        yield WaitStats(row.name, sites[row.acquire_site], sites[row.owner_site], row.waits, row.waited_ns / 1e9)


def _blocking(sites: Sites) -> Iterator[BlockingStats]:
    for row in map(BlockingWaitRow._make, core.read_blocking()):
        yield BlockingStats(
            row.kind, row.name, sites[row.site], _histogram(row.duration), row.waiters, row.oldest_wait_ns / 1e9
        )


def _executors() -> Iterator[ExecutorStats]:
    for row in map(ExecutorRow._make, read_executors()):
        yield ExecutorStats(
            name=row.name,
            live=row.live,
            workers=row.workers,
            busy=row.busy,
            queue_length=row.queue_length,
            submitted=row.submitted,
            finished=row.finished,
            unread_exceptions=row.unread_exceptions,
            queue_duration=_histogram(row.queue_duration),
            run_duration=_histogram(row.run_duration),
        )


def _exceptions() -> Iterator[ExceptionStats]:
    for row in map(ExceptionRow._make, read_exceptions()):
        last_at = clock.unix_time(row.last_at_ns)
        yield ExceptionStats(row.type, row.target, row.occurrences, row.last_traceback, last_at, row.source)


def _coverage_of(live: list[RawLiveThread]) -> Coverage:
    observed = sum(thread.started_ns is not None for thread in live)
    running = guarded(thread_count, otherwise=observed - 1) + 1
    return Coverage(
        core=core.NAME,
        instrumented=guarded(_coverage.is_instrumented, otherwise=False),
        observed_threads=observed,
        unobserved_threads=max(running - observed - core.untracked_count(), 0),
        sites_capped=core.sites_capped(),
        unobserved_locks=guarded(_coverage.unobserved_locks, otherwise=0),
        unobserved_modules=guarded(_coverage.unobserved_modules, otherwise=()),
        replaced_by=guarded(_coverage.replaced_by),
        child_processes=guarded(children.running, otherwise=0),
        child_cpu_time=guarded(children.cpu_time, otherwise=0.0),
        version=VERSION,
        python=guarded(python_version, otherwise=""),
        # Last, since it counts the errors of reading all this.
        faults=core.internal_errors() + guarded(internal_errors_below_the_core, otherwise=0),
    )


def _histogram(raw: tuple[int, int, int, tuple[int, ...]] | None) -> Histogram:
    if raw is None:
        return _NOTHING_RECORDED
    # The fields of a `HistogramRow`. A scrape reads thousands, and to make the row would double the time.
    recorded, sum_ns, max_ns, buckets = raw
    return Histogram(recorded, sum_ns / 1e9, max_ns / 1e9, buckets)


_UNKNOWN_LOCK: Final[tuple[tuple[Any, ...], LockStats | None]] = ((), None)


class _KnownLocks:
    """Views of locks from the last snapshot, used again for locks whose row has not changed.

    Most of many locks are unchanged, and a comparison takes a tenth of the time of making a view.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._views: dict[tuple[str, str], tuple[tuple[Any, ...], LockStats]] = {}

    def read(self) -> Iterator[LockStats]:
        rows = core.read_locks()
        for number, row in enumerate(rows, 1):
            identity = lock_identity(row)
            last_row, view = self._views.get(identity, _UNKNOWN_LOCK)
            if view is None or last_row != row:
                view = _lock_stats(LockRow._make(row))
                self._views[identity] = row, view
            yield view
            if number % _LOCKS_AT_ONCE == 0:
                sleep(0)
        if len(self._views) > len(rows):
            # Some have been renamed.
            self.reset()


def _lock_stats(row: LockRow) -> LockStats:
    return LockStats(
        row.name,
        row.kind,
        row.location,
        row.live,
        row.acquisitions,
        row.contentions,
        row.timeouts,
        _histogram(row.wait),
        _histogram(row.hold),
        row.waiters,
        row.oldest_wait_ns / 1e9,
    )


class _CpuTimes:
    """Keeps the CPU time of a target from falling, since it is exported as a counter.

    A thread that ends while a snapshot is taken is for a moment neither among the live nor among the finished.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._highest: dict[str, int] = {}

    def raised_to(self, target: str, cpu_time_ns: int) -> int:
        highest = self._highest[target] = max(cpu_time_ns, self._highest.get(target, 0))
        return highest


_known_locks = _KnownLocks()
_cpu_times = _CpuTimes()


def _thread_stats(rows: Iterable[tuple[Any, ...]], live: Iterable[RawLiveThread]) -> Iterator[ThreadStats]:
    running_cpu_times: dict[str, int] = {}
    for thread in live:
        running_cpu_times[thread.target] = running_cpu_times.get(thread.target, 0) + (thread.cpu_time_ns or 0)
    for row in map(TargetRow._make, rows):
        cpu_time = _cpu_times.raised_to(row.target, row.cpu_time_ns + running_cpu_times.get(row.target, 0))
        yield ThreadStats(
            target=row.target,
            started=row.started,
            finished=row.finished,
            running=max(row.started - row.finished, 0),
            start_delay=_histogram(row.start_delay),
            lifetime=_histogram(row.lifetime),
            cpu_time=cpu_time / 1e9,
        )


def _live_thread(raw: RawLiveThread) -> LiveThread:
    wait = raw.wait
    return LiveThread(
        ident=raw.ident,
        native_id=raw.native_id,
        name=raw.name,
        target=raw.target,
        daemon=raw.daemon,
        started_at=None if raw.started_ns is None else clock.unix_time(raw.started_ns),
        cpu_time=None if raw.cpu_time_ns is None else raw.cpu_time_ns / 1e9,
        waiting_for=None if wait is None else wait.lock,
        waiting_since=None if wait is None else clock.unix_time(wait.since_ns),
        waiting_on_owner=wait.owner or None if wait is not None else None,
    )


def after_fork_in_child() -> None:
    """Forget the locks and threads of the parent."""
    _known_locks.reset()
    _cpu_times.reset()
