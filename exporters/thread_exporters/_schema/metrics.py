"""The project's one list of metrics: what each is called, what it means, and where a snapshot holds its values.

Every exporter, dashboard and table of the documentation is made from this list or checked against it. Names follow
OpenTelemetry's semantic conventions; the Prometheus names are their standard translation, so that one dashboard
serves both ways in.
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

# Bounds are powers of two, as in the recorded histograms. Each list is a fixed part of those, since every bound is one
# more series for every lock or target. What lies outside is still in the first or the +Inf bucket, and in the sum.
#
# Waits: less than 61 µs is hardly more than the switch between two threads; more than 8 s is past most time-outs, and
# while it lasts it shows as the oldest wait.
_WAITS: Final = tuple(2.0**exponent for exponent in range(-14, 4))
# Holds reach down to a microsecond, and are only sampled: every second power says enough about them.
_HOLDS: Final = tuple(2.0**exponent for exponent in range(-20, 3, 2))
# Threads and blocking take anything from a millisecond to most of a day.
_LIVES: Final = tuple(2.0**exponent for exponent in range(-10, 17, 2))

_UNITS: Final = {"s": "seconds"}


@dataclass(frozen=True, slots=True)
class Metric:
    """What all metrics have in common."""

    name: str
    """The OpenTelemetry name."""
    instrument: Literal["counter", "updowncounter", "gauge", "histogram"]
    unit: str
    """In UCUM: `s`, or an annotation such as `{thread}` for things that are counted."""
    description: str
    attributes: tuple[str, ...]
    """What tells the series of this metric apart."""

    @property
    def prometheus_unit(self) -> str:
        """The unit as Prometheus spells it, empty for things that are counted."""
        return _UNITS.get(self.unit, "")

    @property
    def prometheus_name(self) -> str:
        """Dots become underscores; the unit is appended, and `total` if the metric is a counter."""
        parts = [*self.name.split("."), self.prometheus_unit, "total" if self.instrument == "counter" else ""]
        return "_".join(filter(None, parts))

    @property
    def prometheus_labels(self) -> tuple[str, ...]:
        """The attributes as label names."""
        return tuple(attribute.replace(".", "_") for attribute in self.attributes)


@dataclass(frozen=True, slots=True)
class NumberMetric(Metric):
    """A metric each of whose series is one number."""

    read: points.NumberReader
    across_processes: Literal["sum", "max", "min"] = "sum"
    """What one number for several processes of a service is."""


@dataclass(frozen=True, slots=True)
class HistogramMetric(Metric):
    """A metric each of whose series is a distribution."""

    read: points.HistogramReader
    bounds: tuple[float, ...]
    """The upper bounds, in the unit, where a destination wants them fixed. Some of `Histogram.bounds`."""

    @property
    def buckets(self) -> tuple[tuple[int, int], ...]:
        """The first and the last recorded bucket up to each bound, and at the end of those beyond the last bound."""
        return _buckets(self.bounds)

    def counts(self, histogram: Histogram) -> list[int]:
        """How much of it is in each of these buckets."""
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
    "Files in the folder of several processes of which something cannot be understood and is left out.",
    (),
    # Whoever makes a page of that folder finds out.
    points.of_process(lambda snapshot: 0),
)

METRICS: Final[tuple[NumberMetric | HistogramMetric, ...]] = (
    NumberMetric(
        "python.thread.count",
        "updowncounter",
        "{thread}",
        "Threads that run now.",
        _TARGET,
        points.of_threads(lambda threads: threads.running),
    ),
    NumberMetric(
        "python.thread.started",
        "counter",
        "{thread}",
        "Threads that began to run.",
        _TARGET,
        points.of_threads(lambda threads: threads.started),
    ),
    HistogramMetric(
        "python.thread.duration",
        "histogram",
        "s",
        "How long the threads that finished had run.",
        _TARGET,
        points.of_threads(lambda threads: threads.lifetime),
        _LIVES,
    ),
    HistogramMetric(
        "python.thread.start.duration",
        "histogram",
        "s",
        "From the request to start a thread until its function was entered.",
        _TARGET,
        points.of_threads(lambda threads: threads.start_delay),
        _WAITS,
    ),
    NumberMetric(
        "python.thread.cpu.time",
        "counter",
        "s",
        "CPU time that threads used, those that still run included.",
        _TARGET,
        points.of_threads(lambda threads: threads.cpu_time),
    ),
    NumberMetric(
        "python.thread.unhandled_exceptions",
        "counter",
        "{exception}",
        "Exceptions that nobody handled and that ended a thread.",
        ("error.type", *_TARGET),
        points.of_exceptions(lambda stats: stats.count),
    ),
    NumberMetric(
        "python.lock.acquisitions",
        "counter",
        "{acquisition}",
        "How often a lock was acquired.",
        _LOCK,
        points.of_locks(lambda lock: lock.acquisitions),
    ),
    NumberMetric(
        "python.lock.contentions",
        "counter",
        "{contention}",
        "How many acquisitions had to wait.",
        _LOCK,
        points.of_locks(lambda lock: lock.contentions),
    ),
    NumberMetric(
        "python.lock.timeouts",
        "counter",
        "{timeout}",
        "How many waits for a lock ended without it because their time was up.",
        _LOCK,
        points.of_locks(lambda lock: lock.timeouts),
    ),
    HistogramMetric(
        "python.lock.wait.duration",
        "histogram",
        "s",
        "How long threads waited for a lock, however the wait ended.",
        _LOCK,
        points.of_contended_locks(lambda lock: lock.wait),
        _WAITS,
    ),
    HistogramMetric(
        "python.lock.hold.duration",
        "histogram",
        "s",
        "How long a lock was held, for a random sample of its acquisitions.",
        _LOCK,
        points.of_contended_locks(lambda lock: lock.hold),
        _HOLDS,
    ),
    NumberMetric(
        "python.lock.waiters",
        "updowncounter",
        "{thread}",
        "Threads that wait for a lock now.",
        _LOCK,
        points.of_contended_locks(lambda lock: lock.waiters),
    ),
    NumberMetric(
        "python.lock.wait.oldest",
        "gauge",
        "s",
        "How long the longest of the waits that last has been going on, 0 when nobody waits.",
        _LOCK,
        points.of_contended_locks(lambda lock: lock.oldest_wait),
        across_processes="max",
    ),
    NumberMetric(
        "python.lock.blame.time",
        "counter",
        "s",
        "Time waited for a lock, by where the waiting thread wanted it and where its owner was meanwhile.",
        (_LOCK[0], *_ACQUIRE_SITE, *_OWNER_SITE),
        points.of_waits(lambda row: row.time),
    ),
    HistogramMetric(
        "python.blocking.duration",
        "histogram",
        "s",
        "How long threads waited for something else than a lock: a condition, an event, a queue, a thread, a future.",
        ("python.blocking.type",),
        points.of_blocking,
        _LIVES,
    ),
    NumberMetric(
        "python.blocking.time",
        "counter",
        "s",
        "Time waited for something else than a lock, by what was waited for and where.",
        ("python.blocking.type", "python.blocking.name", *_ACQUIRE_SITE),
        points.of_blocking_time,
    ),
    NumberMetric(
        "python.executor.workers",
        "updowncounter",
        "{thread}",
        "Threads of executors now, those that run a task and those that wait for one.",
        (*_EXECUTOR, "python.executor.worker.state"),
        points.of_workers,
    ),
    NumberMetric(
        "python.executor.queue.length",
        "updowncounter",
        "{task}",
        "Tasks that no worker has taken yet.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.queue_length),
    ),
    NumberMetric(
        "python.executor.tasks.submitted",
        "counter",
        "{task}",
        "Tasks that were submitted to executors.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.submitted),
    ),
    NumberMetric(
        "python.executor.tasks.finished",
        "counter",
        "{task}",
        "Tasks that have run, however they ended.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.finished),
    ),
    NumberMetric(
        "python.executor.unread_exceptions",
        "counter",
        "{exception}",
        "Tasks that raised into a future which was dropped before anybody looked at its exception.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.unread_exceptions),
    ),
    HistogramMetric(
        "python.executor.queue.duration",
        "histogram",
        "s",
        "From the submission of a task until a worker took it.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.queue_duration),
        _WAITS,
    ),
    HistogramMetric(
        "python.executor.run.duration",
        "histogram",
        "s",
        "How long tasks ran.",
        _EXECUTOR,
        points.of_executors(lambda executors: executors.run_duration),
        _LIVES,
    ),
    NumberMetric(
        "python.thread.telemetry.info",
        "gauge",
        "{process}",
        "What records: always 1. Its attributes tell the version of thread-telemetry, the core, and Python's version.",
        ("version", "core", "python"),
        points.of_the_recorder,
    ),
    NumberMetric(
        "python.thread.telemetry.child.processes",
        "gauge",
        "{process}",
        "Child processes that run now, of whatever kind. What happens in them is no part of the metrics of this one: "
        "they have a page of their own, or none.",
        (),
        points.of_process(lambda snapshot: snapshot.coverage.child_processes),
    ),
    NumberMetric(
        "python.thread.telemetry.instrumented",
        "gauge",
        # Not "1": the name of a gauge of that unit ends in `ratio` where it comes to Prometheus by OTLP.
        "{process}",
        "Whether threading makes observed locks and threads: 1 if so, else 0.",
        (),
        points.of_process(lambda snapshot: int(snapshot.coverage.instrumented)),
        across_processes="min",
    ),
    NumberMetric(
        "python.thread.telemetry.unobserved.locks",
        "gauge",
        "{lock}",
        "Locks that existed when observation began, which stay unobserved.",
        (),
        points.of_process(lambda snapshot: snapshot.coverage.unobserved_locks),
        across_processes="max",
    ),
    NumberMetric(
        "python.thread.telemetry.unobserved.modules",
        "gauge",
        "{module}",
        "Modules that took the interpreter's own primitives before observation began and go on using them.",
        (),
        points.of_process(lambda snapshot: len(snapshot.coverage.unobserved_modules)),
        across_processes="max",
    ),
    NumberMetric(
        "python.thread.telemetry.dropped",
        "counter",
        "{event}",
        "Events lost because a bounded buffer was full, or because an exporter failed or dropped them.",
        (),
        points.of_process(lambda snapshot: snapshot.dropped_events),
    ),
    NumberMetric(
        "python.thread.telemetry.faults",
        "counter",
        "{error}",
        "Errors inside the telemetry itself, those of exporters included.",
        (),
        points.of_process(lambda snapshot: snapshot.coverage.faults),
    ),
    NumberMetric(
        "python.thread.telemetry.capped",
        "gauge",
        "{cap}",
        "Whether there is more of this than is told apart, so that the rest is counted under other: 1 if so, else 0.",
        ("python.thread.telemetry.cap",),
        points.of_caps,
        across_processes="max",
    ),
    NumberMetric(
        "python.thread.telemetry.exports",
        "counter",
        "{export}",
        "Exports that succeeded.",
        _EXPORTER,
        points.of_exporters(lambda exporter: exporter.exports),
    ),
    NumberMetric(
        "python.thread.telemetry.export.failures",
        "counter",
        "{failure}",
        "Calls of an exporter that raised an exception or did not return in time.",
        _EXPORTER,
        points.of_exporters(lambda exporter: exporter.failures),
    ),
    NumberMetric(
        "python.thread.telemetry.export.last.timestamp",
        "gauge",
        "s",
        "Unix time of the last export that succeeded, 0 before the first one.",
        _EXPORTER,
        points.of_exporters(lambda exporter: exporter.last_export_at or 0.0),
        across_processes="min",
    ),
    UNREADABLE_FILES,
)
"""In the order in which they are exported and documented."""
