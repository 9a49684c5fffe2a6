"""Overview: which lock hurts which service, and since when? Are the threads well?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ._alerts import firing_alerts
from ._board import AnyPanel, Row, board
from ._contention import (
    contended_locks,
    oldest_by_instance,
    share_lost,
    share_lost_by_instance,
    start_delay_by_instance,
    waiting_by_lock,
)
from ._coverage import coverage_panels, instances
from ._executors import executor_panels
from ._links import OVERVIEW_UID
from ._panels import AVERAGE, COUNT, PER_MINUTE, SECONDS, SHARE, lines, number, query
from ._promql import INSTANCE, RECENTLY, SERVICE, Selection, aggregate, total
from ._reading import how_to_read
from ._words import YES_OR_NO

_SELECTED: Final = Selection()
_PLAIN: Final = _SELECTED.where('python_lock_type!="semaphore"')
"""Without plain semaphores: an idle consumer of a signal waits for one, and is well."""
_NOTHING: Final = f"0 * count({_SELECTED.now('python.thread.telemetry.instrumented')})"
"""0 as long as there is an instance, and no value when all are gone."""


def overview() -> Dashboard:
    return board(
        OVERVIEW_UID,
        "Threads and locks: overview",
        "The services and instances that lose time to locks, the locks that cost it, and the state of their threads "
        "and executors.",
        [
            Row("", [*_at_a_glance(), firing_alerts(16, 7), waiting_by_lock(8, 7), contended_locks()]),
            Row("Instances compared", [share_lost_by_instance(), oldest_by_instance(), start_delay_by_instance()]),
            Row("Threads", _threads()),
            Row("Executors", executor_panels(), collapsed=True),
            Row("What is observed", coverage_panels(), collapsed=True),
            Row("How to read this board", [how_to_read()], collapsed=True),
        ],
    )


def _at_a_glance() -> list[AnyPanel]:
    return [instances(), *_waits(), *_running_and_ended(), _all_observed()]


def _waits() -> list[AnyPanel]:
    return [
        number(
            "Time lost, worst instance",
            "The share of the time of its working threads that the worst instance lost to waits for locks, over 5 "
            "minutes. Threads that are idle, waiting for work at a queue, a condition or in an executor, do not "
            "count as working. Plain semaphores are left out: an idle consumer waits for one.",
            SHARE,
            query(f"{aggregate('max', share_lost(RECENTLY, *INSTANCE))} or {_NOTHING}"),
            limits=(0.05, 0.2),
        ),
        number(
            "Threads waiting",
            "Threads that wait for a lock at this moment. Plain semaphores are left out.",
            COUNT,
            query(f"{total(_PLAIN.now('python.lock.waiters'))} or {_NOTHING}"),
            span=3,
        ),
        number(
            "Oldest wait now",
            "Age of the oldest wait in progress; 0 if no thread waits. One that keeps growing is a deadlock, or an "
            "owner that is stuck. Plain semaphores are left out.",
            SECONDS,
            query(f"{aggregate('max', _PLAIN.now('python.lock.wait.oldest'))} or {_NOTHING}"),
            span=3,
            limits=(1, 10),
        ),
    ]


def _running_and_ended() -> list[AnyPanel]:
    exceptions = total(_SELECTED.growth("python.thread.unhandled_exceptions"))
    return [
        number(
            "Running threads",
            "Threads that run now. Main threads are not among them.",
            COUNT,
            query(total(_SELECTED.now("python.thread.count"))),
            span=3,
        ),
        number(
            "Unhandled exceptions",
            "Exceptions that ended a thread during the time shown.",
            COUNT,
            query(f"{exceptions} or {_NOTHING}").instant(),
            limits=(1, 10),
        ),
    ]


def _all_observed() -> AnyPanel:
    return number(
        "All observed",
        "No, if threading of an instance makes locks and threads that nobody sees: telemetry.instrument() was "
        "not called there, or was undone.",
        AVERAGE,
        query(aggregate("min", _SELECTED.now("python.thread.telemetry.instrumented"))).instant(),
        span=3,
        words=YES_OR_NO,
    )


def _threads() -> list[AnyPanel]:
    died = total(_SELECTED.rate("python.thread.unhandled_exceptions"), *SERVICE, "python.thread.target", "error.type")
    return [
        lines(
            "Threads, by target",
            "Threads that run each target, the function that they were started with.",
            COUNT,
            query(
                total(_SELECTED.now("python.thread.count"), *SERVICE, "python.thread.target"),
                "{{job}} {{python_thread_target}}",
            ),
            stacked=True,
            long_names=True,
        ),
        lines(
            "Unhandled exceptions, by target and type",
            "Exceptions a minute that ended a thread.",
            PER_MINUTE,
            query(f"60 * {died} > 0", "{{job}} {{error_type}} in {{python_thread_target}}"),
            bars=True,
            long_names=True,
            empty="No exception ended a thread",
        ),
    ]
