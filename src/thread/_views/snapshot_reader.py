"""Makes a `Snapshot` out of the tuples that the core reads out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import sleep
from typing import Any

from .._backend import began_at, core
from .._base.histogram_counts import RawHistogram
from .._base.interruptions import internal_errors_below_the_core
from .._inspection.unhandled import read_exceptions
from .._observed import coverage as _coverage
from .._observed.executors import read_executors
from .._process import children, clock
from .._process.guards import guarded
from .._process.thread_counts import thread_count
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
"""Then other threads may have the GIL: after a millisecond, where they would have to ask for it after five."""


def read_snapshot(dropped_by_exporters: int, exporters: tuple[ExporterStats, ...] = ()) -> Snapshot:
    """Everything recorded until now.

    Takes no lock, hence safe in signal handlers, finalizers and exporters.
    """
    guarded(clock.calibrate)
    sites = Sites()
    nothing: list[Any] = []
    threads = guarded(core.read_threads, otherwise=nothing)
    # Read after the totals: a thread that ends in between is then missing from the sum for a moment, which
    # `_CpuTimes` makes good. The other way round it would be counted twice, and the sum would stay too high.
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
    for lock, _, acquire_site, owner_site, count, time in core.read_blame():
        yield WaitStats(lock, sites[acquire_site], sites[owner_site], count, time / 1e9)


def _blocking(sites: Sites) -> Iterator[BlockingStats]:
    for kind, name, site, duration in core.read_blocking():
        yield BlockingStats(kind, name, sites[site], _histogram(duration))


def _executors() -> Iterator[ExecutorStats]:
    for numbers, queue, run in read_executors():
        yield ExecutorStats(*numbers, _histogram(queue), _histogram(run))


def _exceptions() -> Iterator[ExceptionStats]:
    for kind, target, count, trace, at_ns, source in read_exceptions():
        yield ExceptionStats(kind, target, count, trace, clock.unix_time(at_ns), source)


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
        # The last, for it counts the faults of this very look.
        faults=core.internal_errors() + guarded(internal_errors_below_the_core, otherwise=0),
    )


def _histogram(raw: tuple[int, int, int, tuple[int, ...]] | None) -> Histogram:
    if raw is None:
        return _NOTHING_RECORDED
    count, total, longest, buckets = raw
    return Histogram(count, total / 1e9, longest / 1e9, buckets)


class _KnownLocks:
    """The views of locks from the last snapshot, to be used again for those that nothing happened to since.

    Of many locks most are unchanged, and to compare takes a tenth of the time of making a view.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._views: dict[tuple[Any, ...], tuple[tuple[Any, ...], LockStats]] = {}

    def read(self) -> Iterator[LockStats]:
        rows = core.read_locks()
        for number, row in enumerate(rows, 1):
            identity = row[:3]
            known = self._views.get(identity)
            if known is None or known[0] != row:
                known = self._views[identity] = row, _lock_stats(*row)
            yield known[1]
            if number % _LOCKS_AT_ONCE == 0:
                sleep(0)
        if len(self._views) > len(rows):
            # Some have been renamed.
            self.reset()


def _lock_stats(
    name: str,
    kind: Any,
    location: str,
    live: int,
    acquisitions: int,
    contentions: int,
    timeouts: int,
    wait: RawHistogram | None,
    hold: RawHistogram | None,
    waiters: int,
    oldest_wait: int,
) -> LockStats:
    return LockStats(
        name,
        kind,
        location,
        live,
        acquisitions,
        contentions,
        timeouts,
        _histogram(wait),
        _histogram(hold),
        waiters,
        oldest_wait / 1e9,
    )


class _CpuTimes:
    """Sees to it that the CPU time of a target never falls, since it is exported as a counter.

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
    for target, started, finished, start_delay, lifetime, finished_cpu_time in rows:
        cpu_time = _cpu_times.raised_to(target, finished_cpu_time + running_cpu_times.get(target, 0))
        yield ThreadStats(
            target,
            started,
            finished,
            max(started - finished, 0),
            _histogram(start_delay),
            _histogram(lifetime),
            cpu_time / 1e9,
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
    """Forget what was remembered of the parent's threads."""
    _known_locks.reset()
    _cpu_times.reset()
