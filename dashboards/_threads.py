"""Threads: their number, lifetimes, CPU time, what blocks them, and the exceptions that ended them."""

from __future__ import annotations

from typing import Final, Literal

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ._alerts import firing_alerts
from ._board import AnyPanel, Row, board
from ._links import THREADS_UID
from ._panels import (
    AVERAGE,
    COUNT,
    EACH_INSTANCE,
    HALF_WIDTH,
    PER_MINUTE,
    PER_SECOND,
    SECONDS,
    SHARE,
    durations,
    lines,
    query,
)
from ._promql import INSTANCE, SERVICE, Selection, aggregate, at_line, top, total
from ._tables import SERVICE_COLUMNS, LabelColumn, ValueColumn, rows

_SELECTED: Final = Selection()
_TARGET: Final = (*SERVICE, "python.thread.target")
_KIND: Final = (*SERVICE, "python.blocking.type")
_LIFETIME: Final = "python.thread.duration"
_START_DELAY: Final = "python.thread.start.duration"
_BLOCKED: Final = "python.blocking.duration"
_PLACE_COLUMNS: Final = (
    *SERVICE_COLUMNS,
    LabelColumn("Service", "job", width=110),
    LabelColumn("Kind", "python.blocking.type", width=90),
    LabelColumn("Waits for", "python.blocking.name"),
    LabelColumn("in", "code.function.name"),
    LabelColumn("at", "blocked_at", width=210),
)
_EACH_TARGET: Final = "{{job}} {{python_thread_target}}"
_EACH_KIND: Final = "{{job}} {{python_blocking_type}}"


def threads_board() -> Dashboard:
    return board(
        THREADS_UID,
        "Threads and locks: threads",
        "Threads by their target, the function that they were started with: population, lifetimes, CPU time, what "
        "blocks them, and what exceptions ended them.",
        [
            Row("", _population()),
            Row("Unhandled exceptions", _exceptions()),
            Row("Blocking", _blocking()),
            Row("Lifetimes and start", _lifetimes()),
            Row("CPU", _cpu()),
        ],
    )


def _population() -> list[AnyPanel]:
    running = _SELECTED.now("python.thread.count")
    return [
        firing_alerts(16, 7),
        lines(
            "Running threads, by instance",
            "Threads that run in each instance. Main threads are not among them.",
            COUNT,
            query(total(running, *INSTANCE), EACH_INSTANCE),
            span=8,
            height=7,
        ),
        lines(
            "Running threads, by target",
            "Threads that run each target. One that only climbs is a leak. Main threads are not among them.",
            COUNT,
            query(total(running, *_TARGET), _EACH_TARGET),
            span=24,
            stacked=True,
        ),
        lines(
            "Births, by target",
            "Threads a second that began to run. Many that live shortly would do better in an executor.",
            PER_SECOND,
            query(total(_SELECTED.rate("python.thread.started"), *_TARGET), _EACH_TARGET),
            long_names=True,
        ),
        lines(
            "Deaths, by target",
            "Threads a second that finished, however they ended.",
            PER_SECOND,
            query(total(_SELECTED.rate(_LIFETIME, "count"), *_TARGET), _EACH_TARGET),
            long_names=True,
        ),
    ]


def _lifetimes() -> list[AnyPanel]:
    mean = (
        f"{total(_SELECTED.rate(_LIFETIME, 'sum'), *_TARGET)} / {total(_SELECTED.rate(_LIFETIME, 'count'), *_TARGET)}"
    )
    return [
        durations(
            "Lifetimes",
            "Threads a second that finished, by the length of their life. Threads that still run are not in it.",
            query(total(_SELECTED.rate(_LIFETIME, "bucket"), "le")),
        ),
        lines(
            "Lifetime, by target",
            "Lifetimes of the threads that finished: the median, estimated from buckets, each four times the one "
            "before, and the exact mean.",
            SECONDS,
            query(_SELECTED.quantile(0.5, _LIFETIME, *_TARGET), f"{_EACH_TARGET} p50"),
            query(mean, f"{_EACH_TARGET} mean"),
            height=9,
            long_names=True,
        ),
        lines(
            "Start delay, by target",
            "Time from the request to start a thread until its function was entered: half took less than p50, 99 % "
            "less than p99. An estimate from buckets that double. It grows when the CPU or the GIL is busy.",
            SECONDS,
            query(_SELECTED.quantile(0.5, _START_DELAY, *_TARGET), f"{_EACH_TARGET} p50"),
            query(_SELECTED.quantile(0.99, _START_DELAY, *_TARGET), f"{_EACH_TARGET} p99"),
            span=24,
        ),
    ]


def _cpu() -> list[AnyPanel]:
    used = _SELECTED.rate("python.thread.cpu.time")
    running = _SELECTED.average("python.thread.count")
    return [
        lines(
            "CPU time, by instance",
            "CPUs that the threads of each instance use, all together. Under the GIL, 100 % is all that there is, "
            "but for C code that runs without it.",
            SHARE,
            query(total(used, *INSTANCE), EACH_INSTANCE),
            limit=1,
        ),
        lines(
            "CPU time, by target",
            "CPUs that the threads of each target use, in the instance where they use most.",
            SHARE,
            query(aggregate("max", used, *_TARGET), _EACH_TARGET),
            long_names=True,
        ),
        lines(
            "CPU time of a thread, by target",
            "The share of its time that a thread of the target spends on a CPU, on average. The rest it waits: for "
            "locks, for what blocks it, or for the GIL. Targets whose threads are too short to be seen running are "
            "missing.",
            SHARE,
            query(f"{total(used, *_TARGET)} / ({total(running, *_TARGET)} > 0)", _EACH_TARGET),
            span=24,
        ),
    ]


def _blocking() -> list[AnyPanel]:
    return [_blocked_threads(), _blocking_p99(), _where_blocked(), _blocked_now()]


def _blocked_threads() -> AnyPanel:
    return lines(
        "Blocked threads, by kind",
        "Seconds blocked in each second: the number of threads that wait, on average, for anything but a lock: a "
        "condition, an event, a queue, a thread, a future. A wait counts when it ends, so a long one shows as a "
        "peak. Workers that wait for work are blocked as well, and are well.",
        AVERAGE,
        query(total(_SELECTED.rate(_BLOCKED, "sum"), *_KIND), _EACH_KIND),
        stacked=True,
    )


def _blocking_p99() -> AnyPanel:
    return lines(
        "Blocking p99, by kind",
        "99 % of the waits of this kind were shorter than this. An estimate from buckets, each four times the one "
        "before.",
        SECONDS,
        query(_SELECTED.quantile(0.99, _BLOCKED, *_KIND), _EACH_KIND),
    )


def _where_blocked() -> AnyPanel:
    blocked = _by_place("sum", _SELECTED.growth("python.blocking.time"))
    return rows(
        "Where threads were blocked",
        "Seconds waited during the time shown for anything but a lock, by what was waited for and where.",
        _PLACE_COLUMNS,
        [ValueColumn("Blocked", top(50, f"{blocked} > 0"), SECONDS, gauge=True)],
    )


def _blocked_now() -> AnyPanel:
    threads = _by_place("sum", _SELECTED.now("python.blocking.waiters"))
    oldest = _by_place("max", _SELECTED.now("python.blocking.oldest"))
    return rows(
        "Threads blocked now",
        "Waits in progress for anything but a lock. Many threads at a line where waits are usually short wait "
        "for something that nobody does. Consumers of an empty queue are well.",
        _PLACE_COLUMNS,
        [
            ValueColumn("Threads", f"{threads} > 0", COUNT, width=80),
            ValueColumn("Oldest wait", f"{oldest} > 0", SECONDS, width=110),
        ],
    )


def _by_place(operator: Literal["sum", "max"], series: str) -> str:
    at = at_line(series, "blocked_at", "code.file.path", "code.line.number")
    return aggregate(operator, at, *_KIND, "python.blocking.name", "code.function.name", "blocked_at")


def _exceptions() -> list[AnyPanel]:
    name, kind = "python.thread.unhandled_exceptions", "error.type"
    a_minute = f"60 * {total(_SELECTED.rate(name), kind, *_TARGET)}"
    in_range = total(_SELECTED.growth(name), *INSTANCE, kind, "python.thread.target")
    return [
        rows(
            "Which exceptions ended which threads",
            "Threads of each target that were ended by an exception during the time shown, the first of its kind "
            "included. The line that raised it is in the log of the program, in its traces, and in "
            "snapshot().exceptions.",
            [
                *SERVICE_COLUMNS,
                LabelColumn("Service", "job", width=90),
                LabelColumn("Instance", "instance", width=150),
                LabelColumn("Exception", kind, width=110),
                LabelColumn("Target", "python.thread.target"),
            ],
            [ValueColumn("Threads ended", f"{in_range} > 0", COUNT, width=115)],
            span=HALF_WIDTH,
            height=8,
            empty="No exception ended a thread",
        ),
        lines(
            "Unhandled exceptions, by type and target",
            "Exceptions a minute that ended a thread.",
            PER_MINUTE,
            query(f"{a_minute} > 0", "{{job}} {{error_type}} in {{python_thread_target}}"),
            bars=True,
            long_names=True,
            empty="No exception ended a thread",
        ),
    ]
