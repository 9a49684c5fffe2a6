"""Panels of the overview about locks: which one hurts which service, and since when?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import table, timeseries

from ._links import to_lock_of_cell, to_lock_of_series
from ._panels import AVERAGE, COUNT, EACH_INSTANCE, SECONDS, SHARE, lines, query
from ._promql import INSTANCE, RATE_WINDOW, SERVICE, WHOLE_RANGE, Selection, aggregate, label, real, top, total
from ._tables import SERVICE_COLUMNS, LabelColumn, ValueColumn, rows

_SELECTED: Final = Selection()
_PLAIN: Final = _SELECTED.where('python_lock_type!="semaphore"')
_LOCK: Final = (*SERVICE, "python.lock.name", "python.lock.type")
_WAIT: Final = "python.lock.wait.duration"


def share_lost(window: str, *by: str) -> str:
    """The share of the time of working threads that is lost to waits for locks."""
    lost = total(_PLAIN.waiting(window), *by)
    threads = total(_SELECTED.average("python.thread.count", window), *by)
    # Nobody started the main thread, so it is not counted.
    main_threads = total(_SELECTED.now("python.thread.telemetry.instrumented") + " * 0 + 1", *by)
    idle_at = _SELECTED.where('python_blocking_type=~"queue|condition"').rate("python.blocking.duration", "sum", window)
    idle_workers = _SELECTED.where('python_executor_worker_state="idle"').average("python.executor.workers", window)
    at_work = f"{threads} + {main_threads}"
    for idle in (total(idle_at, *by), total(idle_workers, *by)):
        at_work += f" - ({idle} or 0 * {threads})"
    return f"clamp_max({lost} / clamp_min({at_work}, 1), 1)"


def share_lost_by_instance() -> timeseries.Panel:
    return lines(
        "Time lost, by instance",
        "The share of the time of its working threads that each instance lost to waits for locks. Idle threads do "
        "not count as working, and plain semaphores are left out.",
        SHARE,
        query(share_lost(RATE_WINDOW, *INSTANCE), EACH_INSTANCE),
        span=8,
        limit=0.2,
    )


def oldest_by_instance() -> timeseries.Panel:
    return lines(
        "Oldest wait, by instance",
        "Age of the oldest wait in progress. A line that climbs is a thread that does not get its lock; it falls to "
        "0 when no thread waits.",
        SECONDS,
        query(aggregate("max", _SELECTED.now("python.lock.wait.oldest"), *INSTANCE), EACH_INSTANCE),
        span=8,
    )


def start_delay_by_instance() -> timeseries.Panel:
    return lines(
        "Start delay p99, by instance",
        "99 % of the threads entered their function sooner than this after they were asked for. It grows when the "
        "CPU or the GIL is busy. Empty if no thread was started.",
        SECONDS,
        query(_SELECTED.quantile(0.99, "python.thread.start.duration", *INSTANCE), EACH_INSTANCE),
        span=8,
    )


def waiting_by_lock(span: int, height: int) -> timeseries.Panel:
    waiting = top(10, total(_SELECTED.waiting(), *SERVICE, "python.lock.name"))
    # Without "(Event._cond)" and the like the legend has room for its numbers.
    waiting = f'label_replace({waiting}, "lock", "$1", "{label("python.lock.name")}", "([^ ]+).*")'
    return lines(
        "Time waited, by lock",
        "Seconds waited in each second: the number of threads that wait for the lock, on average. The ten locks that "
        "cost the most at each moment; a click on a line leads to its lock.",
        AVERAGE,
        query(waiting, "{{job}} {{lock}}"),
        span=span,
        height=height,
        stacked=True,
        links=[to_lock_of_series()],
    )


def contended_locks() -> table.Panel:
    ended = total(_SELECTED.growth(_WAIT, "sum"), *_LOCK)
    oldest = total(_SELECTED.now("python.lock.wait.oldest"), *_LOCK)
    waited = f"{ended} + {oldest}"
    contended = total(_SELECTED.increase("python.lock.contentions"), *_LOCK)
    acquired = total(_SELECTED.increase("python.lock.acquisitions"), *_LOCK)
    timed_out = total(_SELECTED.increase("python.lock.timeouts"), *_LOCK)
    slow = _SELECTED.quantile(0.99, _WAIT, *_LOCK, window=WHOLE_RANGE)
    return rows(
        "Top contended locks",
        "The locks that cost the most waiting during the time shown. Waits in progress count by the age of the "
        "oldest in each instance. A click on a lock leads to who waits for whom. 99 % of the waits were shorter than "
        "p99, an estimate from buckets that double.",
        [
            *SERVICE_COLUMNS,
            LabelColumn("Service", "job", width=110),
            LabelColumn("Lock", "python.lock.name", to_lock_of_cell()),
            LabelColumn("Type", "python.lock.type", width=155),
        ],
        [
            ValueColumn("Waited", top(20, f"({waited}) > 0"), SECONDS, gauge=True),
            ValueColumn("On average", f"({waited}) / $__range_s", AVERAGE, width=98),
            ValueColumn("Waiting now", total(_SELECTED.now("python.lock.waiters"), *_LOCK), COUNT, width=104),
            ValueColumn(
                "Oldest wait now",
                aggregate("max", _SELECTED.now("python.lock.wait.oldest"), *_LOCK),
                SECONDS,
                width=132,
            ),
            ValueColumn("Contentions", contended, COUNT, width=104),
            ValueColumn("Contended", real(f"{contended} / {acquired}"), SHARE),
            ValueColumn("Wait p99", slow, SECONDS, width=80),
            ValueColumn("Time-outs", timed_out, COUNT, width=84),
        ],
        height=8,
        required=True,
    )
