"""Overview: is any of the services losing time to locks, and are its threads well?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ._board import AnyPanel, board
from ._executors import executor_panels
from ._links import OVERVIEW_UID, to_lock_of_cell, to_lock_of_series
from ._panels import EACH_INSTANCE, NUMBER, PER_SECOND, SECONDS, SHARE, lines, number, query
from ._promql import INSTANCE, RATE_WINDOW, WHOLE_RANGE, Selection, aggregate, only, top, total
from ._tables import LabelColumn, ValueColumn, rows
from ._words import YES_OR_NO

_SELECTED: Final = Selection()
_LOCK: Final = ("python.lock.name", "python.lock.type")
_EXPORTER: Final = ("python.thread.telemetry.exporter",)
_CAP: Final = ("python.thread.telemetry.cap",)
_EACH_CAP: Final = "{{python_thread_telemetry_cap}} in {{job}} {{instance}}"


def overview() -> Dashboard:
    return board(
        OVERVIEW_UID,
        "Threads and locks: overview",
        "Which services and instances lose time to locks, which locks cost it, and how their threads and executors do.",
        {
            "At a glance": _at_a_glance(),
            "Locks": _locks(),
            "Threads": _threads(),
            "Executors": executor_panels(),
            "What is observed": _coverage(),
        },
    )


def _share_lost(*by: str) -> str:
    # The threads that were started are counted, and with them goes the main thread, which nobody started.
    lost = total(_SELECTED.rate("python.lock.wait.duration", "sum"), *by)
    threads = total(f"avg_over_time({_SELECTED.now('python.thread.count')}[{RATE_WINDOW}])", *by)
    main_threads = total(f"count by (job, instance) ({_SELECTED.now('python.thread.telemetry.instrumented')})", *by)
    return f"{lost} / ({threads} + {main_threads})"


def _at_a_glance() -> list[AnyPanel]:
    exceptions = total(_SELECTED.growth("python.thread.unhandled_exceptions"))
    return [
        number(
            "Thread time lost to lock waits",
            "Of all the time that threads existed, how much they spent waiting for locks. A wait counts when it "
            "ends, so a single long one may show as more than 100 %. Each instance is taken to have one main "
            "thread.",
            SHARE,
            f"({_share_lost()}) or vector(0)",
            limits=(0.05, 0.2),
        ),
        number(
            "Threads waiting for a lock",
            "How many threads wait for a lock at this moment.",
            NUMBER,
            f"{total(_SELECTED.now('python.lock.waiters'))} or vector(0)",
        ),
        number(
            "Oldest wait now",
            "How long the longest of the waits that last has been going on. One that keeps growing is a deadlock, "
            "or an owner that is stuck.",
            SECONDS,
            f"{aggregate('max', _SELECTED.now('python.lock.wait.oldest'))} or vector(0)",
            limits=(1, 10),
        ),
        number(
            "Running threads",
            "How many of the threads that were started run now. Main threads are not among them.",
            NUMBER,
            total(_SELECTED.now("python.thread.count")),
        ),
        number(
            "Unhandled exceptions",
            "How many exceptions ended a thread during the time shown.",
            NUMBER,
            f"{exceptions} or vector(0)",
            limits=(1, 10),
        ),
        number(
            "All instances observed",
            "No, if threading of one of the instances makes locks and threads that nobody sees: "
            "telemetry.instrument() was not called there, or was undone.",
            NUMBER,
            aggregate("min", _SELECTED.now("python.thread.telemetry.instrumented")),
            words=YES_OR_NO,
        ),
    ]


def _locks() -> list[AnyPanel]:
    waited = total(_SELECTED.rate("python.lock.wait.duration", "sum"), *_LOCK)
    return [
        lines(
            "Thread time lost to lock waits, by instance",
            "Of all the time that the threads of an instance existed, how much they spent waiting for locks.",
            SHARE,
            query(_share_lost(*INSTANCE), EACH_INSTANCE),
        ),
        lines(
            "Oldest wait, by instance",
            "How long the longest of the waits that last has been going on. A line that climbs is a thread that "
            "does not get its lock; it falls to 0 when nobody waits.",
            SECONDS,
            query(aggregate("max", _SELECTED.now("python.lock.wait.oldest"), *INSTANCE), EACH_INSTANCE),
        ),
        _contended_locks(),
        lines(
            "Time waited, by lock",
            "Seconds waited in each second, which is how many threads wait for the lock on average. The ten locks "
            "that cost the most at each moment; a click on a line leads to its lock.",
            NUMBER,
            query(top(10, waited), "{{python_lock_name}}"),
            span=24,
            stacked=True,
            links=[to_lock_of_series()],
        ),
    ]


def _contended_locks() -> AnyPanel:
    waited = total(_SELECTED.growth("python.lock.wait.duration", "sum"), *_LOCK)
    wanted = top(20, f"{waited} > 0")
    contended = total(_SELECTED.increase("python.lock.contentions"), *_LOCK)
    acquired = total(_SELECTED.increase("python.lock.acquisitions"), *_LOCK)
    timed_out = total(_SELECTED.increase("python.lock.timeouts"), *_LOCK)
    slow = _SELECTED.quantile(0.99, "python.lock.wait.duration", *_LOCK, window=WHOLE_RANGE)
    oldest = aggregate("max", _SELECTED.now("python.lock.wait.oldest"), *_LOCK)
    return rows(
        "Top contended locks",
        "The locks that cost the most waiting during the time shown. A click on a lock leads to who waits for whom. "
        "99 % of the waits were shorter than p99, which is estimated from buckets that double.",
        [LabelColumn("Lock", "python.lock.name", to_lock_of_cell()), LabelColumn("Type", "python.lock.type")],
        [
            ValueColumn("Waited", wanted, SECONDS, gauge=True),
            ValueColumn("Contentions", only(contended, wanted, *_LOCK), NUMBER),
            ValueColumn("Share contended", only(f"{contended} / {acquired}", wanted, *_LOCK), SHARE),
            ValueColumn("Wait p99", only(slow, wanted, *_LOCK), SECONDS),
            ValueColumn("Oldest wait now", only(oldest, wanted, *_LOCK), SECONDS),
            ValueColumn("Time-outs", only(timed_out, wanted, *_LOCK), NUMBER),
        ],
    )


def _threads() -> list[AnyPanel]:
    exceptions = _SELECTED.growth("python.thread.unhandled_exceptions", window=RATE_WINDOW)
    return [
        lines(
            "Threads, by target",
            "How many threads run each target, the function that they were started with.",
            NUMBER,
            query(total(_SELECTED.now("python.thread.count"), "python.thread.target"), "{{python_thread_target}}"),
            span=8,
            stacked=True,
        ),
        lines(
            "Start delay p99, by instance",
            "99 % of the threads entered their function sooner than this after they were asked for. It grows when "
            "the CPU or the GIL is busy. Empty when no thread was started.",
            SECONDS,
            query(_SELECTED.quantile(0.99, "python.thread.start.duration", *INSTANCE), EACH_INSTANCE),
            span=8,
        ),
        lines(
            "Unhandled exceptions, by target and type",
            "Exceptions that ended a thread. The first of its kind is counted as well.",
            NUMBER,
            query(
                f"{total(exceptions, 'python.thread.target', 'error.type')} > 0",
                "{{error_type}} in {{python_thread_target}}",
            ),
            span=8,
            bars=True,
        ),
    ]


def _coverage() -> list[AnyPanel]:
    def each(name: str) -> str:
        return aggregate("max", _SELECTED.now(f"python.thread.telemetry.{name}"), *INSTANCE)

    def growth(name: str) -> str:
        return _SELECTED.growth(f"python.thread.telemetry.{name}")

    last = _SELECTED.now("python.thread.telemetry.export.last.timestamp")
    instrumented = aggregate("min", _SELECTED.now("python.thread.telemetry.instrumented"), *INSTANCE)
    recorders = total(_SELECTED.now("python.thread.telemetry.info"), *INSTANCE, "version", "core", "python")
    return [
        rows(
            "Coverage, by instance",
            "What is not seen of each instance: locks that existed before observation began, and modules that had "
            "taken the interpreter's own primitives by then. `python -m thread run` begins before all of them. Also "
            "files of several processes that are left out since they cannot be understood.",
            [
                LabelColumn("Service", "job"),
                LabelColumn("Instance", "instance"),
                LabelColumn("Version", "version"),
                LabelColumn("Core", "core"),
                LabelColumn("Python", "python"),
            ],
            [
                ValueColumn("Processes", recorders, NUMBER),
                ValueColumn("Child processes", each("child.processes"), NUMBER),
                ValueColumn("Unobserved locks", each("unobserved.locks"), NUMBER),
                ValueColumn("Unobserved modules", each("unobserved.modules"), NUMBER),
                ValueColumn("Unreadable files", each("unreadable.files"), NUMBER),
                ValueColumn("Instrumented", instrumented, NUMBER, words=YES_OR_NO),
            ],
            span=12,
            height=8,
        ),
        lines(
            "Dropped events, by instance",
            "Events a second that were lost because a buffer was full or an exporter failed: evidence of slow waits, "
            "spans of threads, exceptions. No count, time or histogram on these dashboards misses anything by it.",
            PER_SECOND,
            query(total(_SELECTED.rate("python.thread.telemetry.dropped"), *INSTANCE), EACH_INSTANCE),
        ),
        rows(
            "Exporters, by instance",
            "How many exports succeeded and how many calls failed in the selected time, and how long ago the last one "
            "succeeded.",
            [LabelColumn("Service", "job"), LabelColumn("Instance", "instance"), LabelColumn("Exporter", *_EXPORTER)],
            [
                ValueColumn("Failures", total(growth("export.failures"), *INSTANCE, *_EXPORTER), NUMBER),
                ValueColumn("Exports", total(growth("exports"), *INSTANCE, *_EXPORTER), NUMBER),
                ValueColumn("Last success", f"time() - {aggregate('min', last, *INSTANCE, *_EXPORTER)}", SECONDS),
            ],
            span=12,
            height=8,
        ),
        lines(
            "Faults of the telemetry, by instance",
            "Errors inside the telemetry itself, those of exporters included. The first of each kind is in the log of "
            "the service.",
            NUMBER,
            query(total(growth("faults"), *INSTANCE), EACH_INSTANCE),
            span=6,
            bars=True,
        ),
        lines(
            "Caps reached, by instance",
            "What there is more of than is told apart. The rest is counted under `other`.",
            NUMBER,
            query(total(_SELECTED.now("python.thread.telemetry.capped"), *INSTANCE, *_CAP), _EACH_CAP),
            span=6,
        ),
    ]
