"""Threads: which run, how long do they live, what do they use, what blocks them, and which died of an exception?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ._board import AnyPanel, board
from ._links import THREADS_UID
from ._panels import EACH_INSTANCE, NUMBER, PER_SECOND, SECONDS, SHARE, durations, lines, query
from ._promql import INSTANCE, RATE_WINDOW, Selection, joined, top, total
from ._tables import LabelColumn, ValueColumn, rows

_SELECTED: Final = Selection()
_TARGET: Final = "python.thread.target"
_KIND: Final = "python.blocking.type"
_LIFETIME: Final = "python.thread.duration"
_START_DELAY: Final = "python.thread.start.duration"
_EACH_TARGET: Final = "{{python_thread_target}}"


def threads_board() -> Dashboard:
    return board(
        THREADS_UID,
        "Threads and locks: threads",
        "Threads by their target, the function that they were started with: population, lifetimes, CPU time, what "
        "blocks them, and what exceptions ended them.",
        {
            "Population": _population(),
            "Lifetimes and start": _lifetimes(),
            "CPU": _cpu(),
            "Blocking": _blocking(),
            "Unhandled exceptions": _exceptions(),
        },
    )


def _population() -> list[AnyPanel]:
    running = _SELECTED.now("python.thread.count")
    return [
        lines(
            "Running threads, by target",
            "How many threads run each target. One that only climbs is a leak. Main threads are not among them.",
            NUMBER,
            query(total(running, _TARGET), _EACH_TARGET),
            stacked=True,
        ),
        lines(
            "Running threads, by instance",
            "How many of the threads that were started run in each instance.",
            NUMBER,
            query(total(running, *INSTANCE), EACH_INSTANCE),
        ),
        lines(
            "Births, by target",
            "Threads a second that began to run. Many that live shortly would do better in an executor.",
            PER_SECOND,
            query(total(_SELECTED.rate("python.thread.started"), _TARGET), _EACH_TARGET),
        ),
        lines(
            "Deaths, by target",
            "Threads a second that finished, however they ended.",
            PER_SECOND,
            query(total(_SELECTED.rate(_LIFETIME, "count"), _TARGET), _EACH_TARGET),
        ),
    ]


def _lifetimes() -> list[AnyPanel]:
    return [
        durations(
            "Lifetimes",
            "How many threads a second finished after how long a life. Threads that still run are not in it.",
            query(total(_SELECTED.rate(_LIFETIME, "bucket"), "le")),
            span=8,
        ),
        lines(
            "Lifetime, by target",
            "How long the threads that finished had run: the median, estimated from buckets, each of which is four "
            "times the one before, and the exact mean.",
            SECONDS,
            query(_SELECTED.quantile(0.5, _LIFETIME, _TARGET), f"{_EACH_TARGET} p50"),
            query(
                f"{total(_SELECTED.rate(_LIFETIME, 'sum'), _TARGET)}"
                f" / {total(_SELECTED.rate(_LIFETIME, 'count'), _TARGET)}",
                f"{_EACH_TARGET} mean",
            ),
            span=8,
        ).height(9),
        lines(
            "Start delay, by target",
            "From the request to start a thread until its function was entered: half took less than p50, 99 % less "
            "than p99. Estimated from buckets that double. It grows when the CPU or the GIL is busy.",
            SECONDS,
            query(_SELECTED.quantile(0.5, _START_DELAY, _TARGET), f"{_EACH_TARGET} p50"),
            query(_SELECTED.quantile(0.99, _START_DELAY, _TARGET), f"{_EACH_TARGET} p99"),
            span=8,
        ).height(9),
    ]


def _cpu() -> list[AnyPanel]:
    used = _SELECTED.rate("python.thread.cpu.time")
    running = f"avg_over_time({_SELECTED.now('python.thread.count')}[{RATE_WINDOW}])"
    return [
        lines(
            "CPU time, by target",
            "How much of one CPU the threads of each target use, all together. Under the GIL, all targets of a "
            "process share one CPU but for what C code does without it.",
            SHARE,
            query(total(used, _TARGET), _EACH_TARGET),
            stacked=True,
        ),
        lines(
            "CPU time of a thread, by target",
            "How much of its time a thread of the target spends on a CPU, on average; the rest it waits, for locks, "
            "for what blocks it or for the GIL. Targets whose threads are too short to be seen running are missing.",
            SHARE,
            query(f"{total(used, _TARGET)} / ({total(running, _TARGET)} > 0)", _EACH_TARGET),
        ),
    ]


def _blocking() -> list[AnyPanel]:
    duration, time = "python.blocking.duration", "python.blocking.time"
    name, function = "python.blocking.name", "code.function.name"
    waited = joined(_SELECTED.growth(time), "blocked_at", ":", "code.file.path", "code.line.number")
    places = total(waited, _KIND, name, function, "blocked_at")
    return [
        lines(
            "Blocked threads, by kind",
            "Seconds blocked in each second, which is how many threads wait on average for something else than a "
            "lock: a condition, an event, a queue, a thread, a future. A wait counts when it ends, so a long one "
            "shows as a peak. Workers that wait for work are blocked as well: this is no fault by itself.",
            NUMBER,
            query(total(_SELECTED.rate(duration, "sum"), _KIND), "{{python_blocking_type}}"),
            stacked=True,
        ),
        lines(
            "Blocking p99, by kind",
            "99 % of the waits of this kind were shorter than this. Estimated from buckets, each of which is four "
            "times the one before.",
            SECONDS,
            query(_SELECTED.quantile(0.99, duration, _KIND), "{{python_blocking_type}}"),
        ),
        rows(
            "Where threads were blocked",
            "Seconds waited during the time shown for something else than a lock, by what was waited for and where.",
            [
                LabelColumn("Kind", _KIND),
                LabelColumn("Waits for", name),
                LabelColumn("in", function),
                LabelColumn("at", "blocked_at"),
            ],
            [ValueColumn("Blocked", top(50, f"{places} > 0"), SECONDS, gauge=True)],
        ),
    ]


def _exceptions() -> list[AnyPanel]:
    name, kind = "python.thread.unhandled_exceptions", "error.type"
    in_window = total(_SELECTED.growth(name, window=RATE_WINDOW), kind, _TARGET)
    in_range = total(_SELECTED.growth(name), *INSTANCE, kind, _TARGET)
    return [
        lines(
            "Unhandled exceptions, by type and target",
            "Exceptions that ended a thread. The first of its kind is counted as well.",
            NUMBER,
            query(f"{in_window} > 0", "{{error_type}} in {{python_thread_target}}"),
            bars=True,
        ),
        rows(
            "Which exceptions ended which threads",
            "How many threads of each target were ended by an exception during the time shown. Where it was raised "
            "is in the log of the program, in its traces, and in snapshot().exceptions.",
            [
                LabelColumn("Exception", kind),
                LabelColumn("Target", _TARGET),
                LabelColumn("Service", "job"),
                LabelColumn("Instance", "instance"),
            ],
            [ValueColumn("Threads ended", f"{in_range} > 0", NUMBER)],
            span=12,
            height=8,
        ),
    ]
