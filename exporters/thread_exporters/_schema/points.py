"""Readers that find the values of a metric in a snapshot. Each yields the attribute values of a series and its value.

No two points of a metric have the same attribute values. A series that has appeared once stays, so that rates can be
computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias, TypeVar

from thread.telemetry import (
    BlockingStats,
    ExceptionStats,
    ExecutorStats,
    ExporterStats,
    Histogram,
    LockStats,
    Site,
    Snapshot,
    ThreadStats,
    WaitStats,
)

Value = TypeVar("Value", float, Histogram)

Attributes: TypeAlias = tuple[str | int, ...]
NumberReader: TypeAlias = Callable[[Snapshot], Iterator[tuple[Attributes, float]]]
HistogramReader: TypeAlias = Callable[[Snapshot], Iterator[tuple[Attributes, Histogram]]]

OTHER: Final = "other"
MAX_TARGETS: Final = 1000
MAX_EXECUTORS: Final = 500


def of_locks(value: Callable[[LockStats], float]) -> NumberReader:
    """Read a number from every lock."""
    return lambda snapshot: (((lock.name, lock.kind), value(lock)) for lock in snapshot.locks)


def of_contended_locks(value: Callable[[LockStats], Value]) -> Callable[[Snapshot], Iterator[tuple[Attributes, Value]]]:
    """Read a value from every lock that a thread has waited for or is waiting for."""
    return lambda snapshot: (
        ((lock.name, lock.kind), value(lock)) for lock in snapshot.locks if lock.wait.count or lock.waiters
    )


def of_threads(value: Callable[[ThreadStats], Value]) -> Callable[[Snapshot], Iterator[tuple[Attributes, Value]]]:
    """Read a value from every thread target."""
    return lambda snapshot: (((threads.target,), value(threads)) for threads in snapshot.threads)


def of_exceptions(value: Callable[[ExceptionStats], float]) -> NumberReader:
    """Read a number for every type of unhandled exception and the target of the threads that it ended."""
    return lambda snapshot: (
        ((stats.type, stats.target), value(stats)) for stats in snapshot.exceptions if stats.source == "thread"
    )


def of_executors(value: Callable[[ExecutorStats], Value]) -> Callable[[Snapshot], Iterator[tuple[Attributes, Value]]]:
    """Read a value for every executor name."""
    return lambda snapshot: (((stats.name,), value(stats)) for stats in snapshot.executors)


def of_workers(snapshot: Snapshot) -> Iterator[tuple[Attributes, float]]:
    """Read the numbers of busy and idle workers for every executor name."""
    for stats in snapshot.executors:
        yield (stats.name, "busy"), stats.busy
        yield (stats.name, "idle"), max(stats.workers - stats.busy, 0)


def of_waits(value: Callable[[WaitStats], float]) -> NumberReader:
    """Read a number for every combination of lock, acquire site and owner site."""

    def read(snapshot: Snapshot) -> Iterator[tuple[Attributes, float]]:
        # Locks of two kinds may share a name, and a row knows only the name of its lock.
        totals: dict[Attributes, float] = {}
        for row in snapshot.waits:
            acquire, owner = row.acquire_site, row.owner_site
            key = (row.lock, acquire.function, acquire.file, acquire.line, owner.function, owner.file, owner.line)
            totals[key] = totals.get(key, 0.0) + value(row)
        return iter(totals.items())

    return read


def of_blocking(snapshot: Snapshot) -> Iterator[tuple[Attributes, Histogram]]:
    """Read the durations of every kind of blocking. A histogram per site would be too many series."""
    totals: dict[Attributes, Histogram] = {}
    for row in snapshot.blocking:
        totals[row.kind,] = _merged(totals[row.kind,], row.duration) if (row.kind,) in totals else row.duration
    return iter(totals.items())


def of_blocking_waits(value: Callable[[BlockingStats], float]) -> NumberReader:
    """Read a number for every kind of blocking, what is waited for and where."""
    return lambda snapshot: (
        ((row.kind, row.name, row.site.function, row.site.file, row.site.line), value(row)) for row in snapshot.blocking
    )


def of_the_recorder(snapshot: Snapshot) -> Iterator[tuple[Attributes, float]]:
    """Read our version, the core in use and the version of Python."""
    coverage = snapshot.coverage
    if coverage.version:
        yield (coverage.version, coverage.core, coverage.python), 1


def of_exporters(value: Callable[[ExporterStats], float]) -> NumberReader:
    """Read a number for every exporter name."""
    return lambda snapshot: (((exporter.name,), value(exporter)) for exporter in snapshot.exporters)


def of_caps(snapshot: Snapshot) -> Iterator[tuple[Attributes, float]]:
    """Read which caps were reached. The remainder is called `other`, like anything that the program calls so, but it
    alone has no place in the code."""
    reached = {
        "locks": any(lock.name == OTHER and not lock.location for lock in snapshot.locks),
        "sites": any(_is_rest(row.acquire_site) or _is_rest(row.owner_site) for row in snapshot.waits),
        "threads": len(snapshot.threads) > MAX_TARGETS,
        "exceptions": any(stats.type == stats.target == OTHER for stats in snapshot.exceptions),
        "executors": len(snapshot.executors) > MAX_EXECUTORS,
        "blocking": any(row.name == OTHER and _is_rest(row.site) for row in snapshot.blocking),
    }
    return (((cap,), int(is_reached)) for cap, is_reached in reached.items())


def _is_rest(site: Site) -> bool:
    return site.function == OTHER and not site.file


def of_process(value: Callable[[Snapshot], float]) -> NumberReader:
    """Read a number of the process as a whole."""
    return lambda snapshot: iter([((), value(snapshot))])


def _merged(one: Histogram, other: Histogram) -> Histogram:
    return Histogram(
        count=one.count + other.count,
        sum=one.sum + other.sum,
        max=max(one.max, other.max),
        buckets=tuple(map(int.__add__, one.buckets, other.buckets)),
    )
