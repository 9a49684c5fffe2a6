"""The project's only list of metrics: their names, their meanings, and how to read their values from a snapshot.

Every exporter, dashboard and table in the documentation is made from this list or checked against it. Names follow
OpenTelemetry's semantic conventions. The Prometheus names are their standard translation, so that one dashboard
serves both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from thread.telemetry import Histogram

from . import points as points

_LOCK: Final = ("python.lock.name", "python.lock.type")
_TARGET: Final = ("python.thread.target",)
_EXECUTOR: Final = ("python.executor.name",)
_EXPORTER: Final = ("python.thread.telemetry.exporter",)
_ACQUIRE_SITE: Final = ("code.function.name", "code.file.path", "code.line.number")
_OWNER_SITE: Final = (
    "python.lock.owner.function.name",
    "python.lock.owner.file.path",
    "python.lock.owner.line.number",
)

# Bounds are powers of two, as in the recorded histograms. Each list is a fixed subset, because every bound adds a
# series per lock or target. Values outside still count in the first or the +Inf bucket, and in the sum.
#
# Waits: less than 61 µs is hardly more than a switch between two threads. More than 8 s is beyond most timeouts, and
# such a wait shows as the oldest wait while it lasts.
_WAITS: Final = tuple(2.0**exponent for exponent in range(-14, 4))
# Holds can be as short as a microsecond and are only sampled, so every second power of two is enough.
_HOLDS: Final = tuple(2.0**exponent for exponent in range(-20, 3, 2))
# Threads live, and block, for anything from a millisecond to most of a day.
_LIVES: Final = tuple(2.0**exponent for exponent in range(-10, 17, 2))

_UNITS: Final = {"s": "seconds"}


@dataclass(frozen=True, slots=True)
class Metric:
    """The properties that all metrics share."""

    name: str
    """Name in OpenTelemetry."""
    instrument: Literal["counter", "updowncounter", "gauge", "histogram"]
    unit: str
    """Unit in UCUM: `s`, or an annotation such as `{thread}` for things that are counted."""
    description: str
    attributes: tuple[str, ...]
    """Names of the attributes that distinguish the series of this metric."""

    @property
    def prometheus_unit(self) -> str:
        """Unit as Prometheus spells it; empty for things that are counted."""
        return _UNITS.get(self.unit, "")

    @property
    def prometheus_name(self) -> str:
        """Name in Prometheus: underscores for dots, followed by the unit, and by `total` for a counter."""
        parts = [*self.name.split("."), self.prometheus_unit, "total" if self.instrument == "counter" else ""]
        return "_".join(filter(None, parts))

    @property
    def prometheus_labels(self) -> tuple[str, ...]:
        """Label names for the attributes."""
        return tuple(attribute.replace(".", "_") for attribute in self.attributes)


@dataclass(frozen=True, slots=True)
class NumberMetric(Metric):
    """A metric with one number per series."""

    read: points.NumberReader
    across_processes: Literal["sum", "max", "min"] = "sum"
    """Function that combines the numbers of several processes of a service."""


@dataclass(frozen=True, slots=True)
class HistogramMetric(Metric):
    """A metric with one distribution per series."""

    read: points.HistogramReader
    bounds: tuple[float, ...]
    """Upper bounds for destinations that want fixed buckets, in the metric's unit: a subset of `Histogram.bounds`."""

    @property
    def buckets(self) -> tuple[tuple[int, int], ...]:
        """First and last recorded bucket for each bound, and finally for the values beyond the last bound."""
        return _buckets(self.bounds)

    def counts(self, histogram: Histogram) -> list[int]:
        """Count the values of a histogram in each of these buckets."""
        return [sum(histogram.buckets[first : last + 1]) for first, last in self.buckets]


@cache
def _buckets(bounds: tuple[float, ...]) -> tuple[tuple[int, int], ...]:
    lasts = [*map(Histogram.bounds.index, bounds), len(Histogram.bounds)]
    firsts = [0, *(last + 1 for last in lasts[:-1])]
    return tuple(zip(firsts, lasts))


UNREADABLE_FILES: Final = NumberMetric(
    "python.thread.telemetry.unreadable.files",
    "gauge",
    "{file}",
    "Files in the multiprocess folder that could not be read completely. The metrics omit what was unreadable.",
    (),
    # The number is known only when a page is made from that folder.
    points.of_process(lambda snapshot: 0),
)

METRICS: Final[tuple[NumberMetric | HistogramMetric, ...]] = (
    NumberMetric(
        "python.thread.count",
        "updowncounter",
        "{thread}",
        "Threads currently running.",
        _TARGET,
        points.of_threads(lambda threads: threads.running),
    ),
    NumberMetric(
        "python.thread.started",
        "counter",
        "{thread}",
        "Threads started.",
        _TARGET,
        points.of_threads(lambda threads: threads.started),
    ),
    HistogramMetric(
        "python.thread.duration",
        "histogram",
        "s",
        "Lifetime of threads that have finished.",
        _TARGET,
        points.of_threads(lambda threads: threads.lifetime),
        _LIVES,
    ),
    HistogramMetric(
        "python.thread.start.duration",
        "histogram",
        "s",
        "Delay between the request to start a thread and the call of its function.",
        _TARGET,
        points.of_threads(lambda threads: threads.start_delay),
        _WAITS,
    ),
    NumberMetric(
        "python.thread.cpu.time",
        "counter",
        "s",
        "CPU time used by threads, including those still running.",
        _TARGET,
        points.of_threads(lambda threads: threads.cpu_time),
    ),
    NumberMetric(
        "python.thread.unhandled_exceptions",
        "counter",
        "{exception}",
        "Unhandled exceptions that ended a thread.",
        ("error.type", *_TARGET),
        points.of_exceptions(lambda stats: stats.count),
    ),
    NumberMetric(
        "python.lock.acquisitions",
        "counter",
        "{acquisition}",
        "Acquisitions of a lock.",
        _LOCK,
        points.of_locks(lambda lock: lock.acquisitions),
    ),
    NumberMetric(
        "python.lock.contentions",
        "counter",
        "{contention}",
        "Acquisitions of a lock that had to wait.",
        _LOCK,
        points.of_locks(lambda lock: lock.contentions),
    ),
    NumberMetric(
        "python.lock.timeouts",
        "counter",
        "{timeout}",
        "Waits for a lock that timed out.",
        _LOCK,
        points.of_locks(lambda lock: lock.timeouts),
    ),
    HistogramMetric(
        "python.lock.wait.duration",
        "histogram",
        "s",
        "Time threads waited for a lock, whether or not they acquired it.",
        _LOCK,
        points.of_contended_locks(lambda lock: lock.wait),
        _WAITS,
    ),
    HistogramMetric(
        "python.lock.hold.duration",
        "histogram",
        "s",
        "Time a lock was held, measured for a random sample of its acquisitions.",
        _LOCK,
        points.of_contended_locks(lambda lock: lock.hold),
        _HOLDS,
    ),
    NumberMetric(
        "python.lock.waiters",
        "updowncounter",
        "{thread}",
        "Threads currently waiting for a lock.",
        _LOCK,
        points.of_contended_locks(lambda lock: lock.waiters),
    ),
    NumberMetric(
        "python.lock.wait.oldest",
        "gauge",
        "s",
        "Age of the oldest wait in progress; 0 if no thread is waiting.",
        _LOCK,
        points.of_contended_locks(lambda lock: lock.oldest_wait),
        across_processes="max",
    ),
    NumberMetric(
        "python.lock.blame.time",
        "counter",
        "s",
        "Time spent waiting for a lock, by where the waiting thread wanted it and where the owner was meanwhile. It "
        "grows while a wait lasts.",
        (_LOCK[0], *_ACQUIRE_SITE, *_OWNER_SITE),
        points.of_waits(lambda row: row.time),
    ),
    HistogramMetric(
        "python.blocking.duration",
        "histogram",
        "s",
        "Time threads spent blocked on something other than a lock: a condition, event, queue, thread or future.",
        ("python.blocking.type",),
        points.of_blocking,
        _LIVES,
    ),
    NumberMetric(
        "python.blocking.time",
        "counter",
        "s",
        "Total time threads spent blocked on something other than a lock, by what they waited for and where.",
        ("python.blocking.type", "python.blocking.name", *_ACQUIRE_SITE),
        points.of_blocking_waits(lambda row: row.duration.sum),
    ),
    NumberMetric(
        "python.blocking.waiters",
        "updowncounter",
        "{thread}",
        "Threads currently blocked on something other than a lock, by what they wait for and where.",
        ("python.blocking.type", "python.blocking.name", *_ACQUIRE_SITE),
        points.of_blocking_waits(lambda row: row.waiters),
    ),
    NumberMetric(
        "python.blocking.oldest",
        "gauge",
        "s",
        "Age of the oldest wait in progress for something other than a lock; 0 if no thread is waiting.",
        ("python.blocking.type", "python.blocking.name", *_ACQUIRE_SITE),
        points.of_blocking_waits(lambda row: row.oldest_wait),
        across_processes="max",
    ),
    NumberMetric(
        "python.executor.workers",
        "updowncounter",
        "{thread}",
        "Threads of executors, busy or idle.",
        (*_EXECUTOR, "python.executor.worker.state"),
        points.of_workers,
    ),
    NumberMetric(
        "python.executor.queue.length",
        "updowncounter",
        "{task}",
        "Tasks waiting for a worker.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.queue_length),
    ),
    NumberMetric(
        "python.executor.tasks.submitted",
        "counter",
        "{task}",
        "Tasks submitted to executors.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.submitted),
    ),
    NumberMetric(
        "python.executor.tasks.finished",
        "counter",
        "{task}",
        "Tasks that have run, whether they returned or raised.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.finished),
    ),
    NumberMetric(
        "python.executor.unread_exceptions",
        "counter",
        "{exception}",
        "Tasks that raised an exception which nobody read before the future was discarded.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.unread_exceptions),
    ),
    HistogramMetric(
        "python.executor.queue.duration",
        "histogram",
        "s",
        "Time between the submission of a task and its start.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.queue_duration),
        _WAITS,
    ),
    HistogramMetric(
        "python.executor.run.duration",
        "histogram",
        "s",
        "Run time of tasks.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.run_duration),
        _LIVES,
    ),
    NumberMetric(
        "python.thread.telemetry.info",
        "gauge",
        "{process}",
        "Always 1. The attributes give the version of thread-telemetry, the core in use, and the version of Python.",
        ("version", "core", "python"),
        points.of_the_recorder,
    ),
    NumberMetric(
        "python.thread.telemetry.child.processes",
        "gauge",
        "{process}",
        "Child processes currently running, of any kind. The metrics of this process do not include theirs.",
        (),
        points.of_process(lambda snapshot: snapshot.coverage.child_processes),
    ),
    NumberMetric(
        "python.thread.telemetry.instrumented",
        "gauge",
        # Not "1": a gauge with that unit gets a name that ends in `ratio` when it reaches Prometheus over OTLP.
        "{process}",
        "Instrumentation of threading: 1 while it makes observed locks and threads, otherwise 0.",
        (),
        points.of_process(lambda snapshot: int(snapshot.coverage.instrumented)),
        across_processes="min",
    ),
    NumberMetric(
        "python.thread.telemetry.unobserved.locks",
        "gauge",
        "{lock}",
        "Locks created before observation began, which stay unobserved.",
        (),
        points.of_process(lambda snapshot: snapshot.coverage.unobserved_locks),
        across_processes="max",
    ),
    NumberMetric(
        "python.thread.telemetry.unobserved.modules",
        "gauge",
        "{module}",
        "Modules that imported the interpreter's own primitives before observation began and still use them.",
        (),
        points.of_process(lambda snapshot: len(snapshot.coverage.unobserved_modules)),
        across_processes="max",
    ),
    NumberMetric(
        "python.thread.telemetry.dropped",
        "counter",
        "{event}",
        "Events lost because a buffer was full, or because an exporter failed or dropped them.",
        (),
        points.of_process(lambda snapshot: snapshot.dropped_events),
    ),
    NumberMetric(
        "python.thread.telemetry.faults",
        "counter",
        "{error}",
        "Internal errors of the telemetry itself, including those of exporters.",
        (),
        points.of_process(lambda snapshot: snapshot.coverage.faults),
    ),
    NumberMetric(
        "python.thread.telemetry.capped",
        "gauge",
        "{cap}",
        "Limits that were reached: 1 if everything beyond the limit is counted under other, otherwise 0.",
        ("python.thread.telemetry.cap",),
        points.of_caps,
        across_processes="max",
    ),
    NumberMetric(
        "python.thread.telemetry.exports",
        "counter",
        "{export}",
        "Successful exports.",
        _EXPORTER,
        points.of_exporters(lambda exporter: exporter.exports),
    ),
    NumberMetric(
        "python.thread.telemetry.export.failures",
        "counter",
        "{failure}",
        "Calls to an exporter that raised an exception or did not return in time.",
        _EXPORTER,
        points.of_exporters(lambda exporter: exporter.failures),
    ),
    NumberMetric(
        "python.thread.telemetry.export.last.timestamp",
        "gauge",
        "s",
        "Unix time of the last successful export; 0 before the first.",
        _EXPORTER,
        points.of_exporters(lambda exporter: exporter.last_export_at or 0.0),
        across_processes="min",
    ),
    UNREADABLE_FILES,
)
"""All metrics, in the order in which they are exported and documented."""
