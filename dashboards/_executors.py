"""The executors' row of the overview: do their tasks wait, and do their workers keep up?"""

from __future__ import annotations

from typing import Final

from ._board import AnyPanel
from ._panels import NUMBER, PER_SECOND, SECONDS, SHARE, lines, query
from ._promql import Selection, total

_SELECTED: Final = Selection()
_NAME: Final = "python.executor.name"
_STATE: Final = "python.executor.worker.state"
_EACH_EXECUTOR: Final = "{{python_executor_name}}"


def executor_panels() -> list[AnyPanel]:
    workers = _SELECTED.now("python.executor.workers")
    busy = Selection((*_SELECTED.matchers, 'python_executor_worker_state="busy"')).now("python.executor.workers")
    return [
        lines(
            "Queue length, by executor",
            "Tasks that no worker has taken yet.",
            NUMBER,
            query(total(_SELECTED.now("python.executor.queue.length"), _NAME), _EACH_EXECUTOR),
            span=8,
        ),
        lines(
            "Time in queue, by executor",
            "From the submission of a task until a worker took it: half of the tasks waited less than p50, 99 % less "
            "than p99. Estimated from buckets that double.",
            SECONDS,
            query(_SELECTED.quantile(0.5, "python.executor.queue.duration", _NAME), f"{_EACH_EXECUTOR} p50"),
            query(_SELECTED.quantile(0.99, "python.executor.queue.duration", _NAME), f"{_EACH_EXECUTOR} p99"),
            span=8,
        ),
        lines(
            "Run time p99, by executor",
            "99 % of the tasks ran for less than this. Estimated from buckets, each of which is four times the one "
            "before.",
            SECONDS,
            query(_SELECTED.quantile(0.99, "python.executor.run.duration", _NAME), _EACH_EXECUTOR),
            span=8,
        ),
        lines(
            "Workers, by executor and state",
            "Workers that run a task, and workers that wait for one.",
            NUMBER,
            query(total(workers, _NAME, _STATE), f"{_EACH_EXECUTOR} {{{{python_executor_worker_state}}}}"),
            span=6,
            stacked=True,
        ),
        lines(
            "Busy share of workers, by executor",
            "How many of the workers of an executor run a task. Near 100 % with a queue that grows, the executor is "
            "too small, or its tasks wait for something.",
            SHARE,
            query(f"{total(busy, _NAME)} / {total(workers, _NAME)}", _EACH_EXECUTOR),
            span=6,
            most=1,
        ),
        lines(
            "Tasks submitted and finished, by executor",
            "Tasks a second. Where more are submitted than finished, the queue grows.",
            PER_SECOND,
            query(total(_SELECTED.rate("python.executor.tasks.submitted"), _NAME), f"{_EACH_EXECUTOR} submitted"),
            query(total(_SELECTED.rate("python.executor.tasks.finished"), _NAME), f"{_EACH_EXECUTOR} finished"),
            span=6,
        ),
        lines(
            "Exceptions that nobody read, by executor",
            "Tasks a second that raised into a future which was dropped before anybody asked for its result.",
            PER_SECOND,
            query(total(_SELECTED.rate("python.executor.unread_exceptions"), _NAME), _EACH_EXECUTOR),
            span=6,
        ),
    ]
