"""Executors on the overview: do their tasks wait, and do their workers keep up?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import table

from ._board import AnyPanel
from ._panels import AVERAGE, COUNT, PER_SECOND, SECONDS, SHARE, lines, query
from ._promql import RATE_WINDOW, SERVICE, WHOLE_RANGE, Selection, real, total
from ._tables import SERVICE_COLUMNS, LabelColumn, ValueColumn, rows

_SELECTED: Final = Selection()
_BUSY: Final = _SELECTED.where('python_executor_worker_state="busy"')
_WHO: Final = (*SERVICE, "python.executor.name")
_STATE: Final = "python.executor.worker.state"
_EACH: Final = "{{job}} {{python_executor_name}}"


def executor_panels() -> list[AnyPanel]:
    return [_executors(), *_queues(), *_workers()]


def _busy_share(window: str) -> str:
    workers, busy = (each.average("python.executor.workers", window) for each in (_SELECTED, _BUSY))
    return f"{total(busy, *_WHO)} / {total(workers, *_WHO)}"


def _executors() -> table.Panel:
    def slow(name: str) -> str:
        return _SELECTED.quantile(0.99, name, *_WHO, window=WHOLE_RANGE)

    waited = total(_SELECTED.increase("python.executor.queue.duration", "sum"), *_WHO)
    finished = total(_SELECTED.increase("python.executor.tasks.finished"), *_WHO)
    return rows(
        "Executors",
        "Each executor during the time shown, the one whose tasks queued longest first. Tasks in the queue now are "
        "not in its time yet. 99 % of the tasks took less than p99.",
        [*SERVICE_COLUMNS, LabelColumn("Service", "job", width=130), LabelColumn("Executor", "python.executor.name")],
        [
            ValueColumn("Time in queue", waited, SECONDS, gauge=True),
            ValueColumn("In queue now", total(_SELECTED.now("python.executor.queue.length"), *_WHO), COUNT, width=110),
            ValueColumn("Workers", total(_SELECTED.now("python.executor.workers"), *_WHO), COUNT),
            ValueColumn("Busy", real(_busy_share(WHOLE_RANGE)), SHARE),
            ValueColumn("Finished", finished, COUNT),
            ValueColumn("Queue p99", slow("python.executor.queue.duration"), SECONDS, width=105),
            ValueColumn("Run p99", slow("python.executor.run.duration"), SECONDS),
        ],
        height=7,
    )


def _queues() -> list[AnyPanel]:
    return [
        lines(
            "Queue length, by executor",
            "Tasks that no worker has taken yet.",
            COUNT,
            query(total(_SELECTED.now("python.executor.queue.length"), *_WHO), _EACH),
            span=8,
        ),
        lines(
            "Time in queue, by executor",
            "Time from the submission of a task until a worker took it: half of the tasks waited less than p50, 99 % "
            "less than p99. An estimate from buckets that double.",
            SECONDS,
            query(_SELECTED.quantile(0.5, "python.executor.queue.duration", *_WHO), f"{_EACH} p50"),
            query(_SELECTED.quantile(0.99, "python.executor.queue.duration", *_WHO), f"{_EACH} p99"),
            span=8,
        ),
        lines(
            "Run time p99, by executor",
            "99 % of the tasks ran for less than this. An estimate from buckets, each four times the one before.",
            SECONDS,
            query(_SELECTED.quantile(0.99, "python.executor.run.duration", *_WHO), _EACH),
            span=8,
        ),
    ]


def _workers() -> list[AnyPanel]:
    return [
        lines(
            "Workers, by executor and state",
            "Workers that run a task, and workers that wait for one.",
            AVERAGE,
            query(
                total(_SELECTED.average("python.executor.workers"), *_WHO, _STATE),
                f"{_EACH} {{{{python_executor_worker_state}}}}",
            ),
            span=6,
            stacked=True,
        ),
        lines(
            "Busy share of workers, by executor",
            "The share of an executor's workers that run a task, on average. Near 100 % with a queue that grows, the "
            "executor is too small, or its tasks wait for something.",
            SHARE,
            query(_busy_share(RATE_WINDOW), _EACH),
            span=6,
            most=1,
        ),
        lines(
            "Tasks submitted and finished, by executor",
            "Tasks a second. Where more are submitted than finished, the queue grows.",
            PER_SECOND,
            query(total(_SELECTED.rate("python.executor.tasks.submitted"), *_WHO), f"{_EACH} submitted"),
            query(total(_SELECTED.rate("python.executor.tasks.finished"), *_WHO), f"{_EACH} finished"),
            span=6,
        ),
        lines(
            "Exceptions that nobody read, by executor",
            "Tasks a second that raised into a future which was dropped before anybody asked for its result.",
            PER_SECOND,
            query(total(_SELECTED.rate("python.executor.unread_exceptions"), *_WHO), _EACH),
            span=6,
        ),
    ]
