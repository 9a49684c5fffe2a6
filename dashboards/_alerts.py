"""Alerts that fire, with the lock, target or executor that each is about."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import table

from ._panels import COUNT, SECONDS
from ._promql import A_WHILE, INSTANCE, RECENTLY, SERVICE, WHOLE_RANGE, Selection, aggregate, joined, top, total
from ._tables import SERVICE_COLUMNS, LabelColumn, ValueColumn, rows
from ._words import RANKS, SEVERITIES

_SELECTED: Final = Selection()
_OURS: Final = 'alertname=~"Python.*"'
_NAME: Final = "culprit"


def firing(*matchers: str) -> str:
    """The project's alerts that fire."""
    return _SELECTED.foreign("ALERTS", _OURS, 'alertstate="firing"', *matchers)


def firing_alerts(span: int, height: int) -> table.Panel:
    since = f"{_SELECTED.foreign('ALERTS_FOR_STATE', _OURS)} and ignoring (alertstate) {firing()}"
    scraped = f"timestamp({_SELECTED.foreign('up')} == 1)"
    down = is_down()
    last = f"{aggregate('max', f'max_over_time({scraped}[{WHOLE_RANGE}:])', *INSTANCE)} and {down}"
    ranks = [f"{rank} * {firing(_is('severity', each))}" for rank, each in enumerate(SEVERITIES, start=1)]
    return rows(
        "Firing alerts",
        "The alerts of dashboards/rules that fire now, the worst first, and instances that Prometheus cannot scrape. "
        "The condition of each has held for the time in the last column. The culprit is the lock, the target or the "
        "executor that stands out most in that instance.",
        [
            *SERVICE_COLUMNS,
            LabelColumn("Service", "job", width=100),
            LabelColumn("Instance", "instance", width=175),
            LabelColumn("Alert", "alertname", width=218),
            LabelColumn("Culprit", _NAME),
        ],
        [
            ValueColumn("Severity", " or ".join([*ranks, _down(f"1 + 0 * {down}")]), COUNT, words=RANKS, width=75),
            ValueColumn("For", f"time() - ({since} or {_down(last)})", SECONDS, width=85),
        ],
        span=span,
        height=height,
        hidden=[" or ".join(f"({each})" for each in _with_culprits())],
        empty="No alert fires, if the rules are loaded",
        ascending=True,
    )


def _with_culprits() -> list[str]:
    on = ", ".join(INSTANCE)
    return [
        f"{firing(_is('alertname', alert))} * on ({on}) group_left ({_NAME}) (0 * ({culprit}) + 1)"
        for alert, culprit in culprits().items()
    ]


def is_down() -> str:
    """Instances that Prometheus knows and cannot scrape, of services that had our metrics in the time shown."""
    by, on = ", ".join(INSTANCE), ", ".join(SERVICE)
    ours = f"count by ({on}) (count_over_time({_SELECTED.now('python.thread.telemetry.instrumented')}[{WHOLE_RANGE}]))"
    down = f"count by ({by}) ({_SELECTED.foreign('up')} == 0)"
    return f"({down} and on ({on}) {ours})"


def _down(expression: str) -> str:
    return f'label_replace({expression}, "alertname", "Instance down", "", "")'


def _is(name: str, value: str) -> str:
    return f'{name}="{value}"'


def culprits() -> dict[str, str]:
    """For each alert an expression with the one culprit of each instance in a label."""
    locks = _SELECTED.where('python_lock_type!="semaphore"')
    waiting = locks.waiting(RECENTLY)
    oldest = _SELECTED.where('python_lock_type=~"r?lock"').now("python.lock.wait.oldest")
    grown = f"deriv({_SELECTED.now('python.thread.count')}[{A_WHILE}])"
    permits = _SELECTED.where('python_lock_type="bounded_semaphore"').now("python.lock.wait.oldest")
    timed_out = locks.increase("python.lock.timeouts", window=RECENTLY)
    futures = _SELECTED.where('python_blocking_type="future"').now("python.blocking.waiters")
    died, gone = (_SELECTED.growth("python.thread.unhandled_exceptions", window=each) for each in (RECENTLY, A_WHILE))
    queue = _SELECTED.average("python.executor.queue.length", RECENTLY)
    return {
        "PythonLockConvoy": _greatest(waiting, "python.lock.name"),
        "PythonLockWaitStuck": _greatest(oldest, "python.lock.name"),
        "PythonLockNeverAcquired": _greatest(timed_out, "python.lock.name"),
        "PythonPermitsExhausted": _greatest(permits, "python.lock.name"),
        "PythonFutureNeverDone": _greatest(futures, "code.function.name"),
        "PythonWorkersGone": _greatest(gone, "error.type", "python.thread.target"),
        "PythonThreadLeak": _greatest(grown, "python.thread.target"),
        "PythonThreadExceptionBurst": _greatest(died, "error.type", "python.thread.target"),
        "PythonExecutorStarved": _greatest(queue, "python.executor.name"),
    }


def _greatest(expression: str, *names: str) -> str:
    each = total(expression, *INSTANCE, *names)
    return joined(top(1, each, *INSTANCE), _NAME, " in ", *names)
