"""Panels of the overview about observation itself: which instances are there, and what is not seen of them?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from ._alerts import is_down
from ._board import AnyPanel
from ._panels import COUNT, EACH_INSTANCE, HALF_WIDTH, PER_SECOND, SECONDS, lines, number, query
from ._promql import INSTANCE, WHOLE_RANGE, Selection, aggregate, total
from ._tables import SERVICE_COLUMNS, LabelColumn, ValueColumn, rows
from ._words import YES_OR_NO

_SELECTED: Final = Selection()
_EXPORTER: Final = ("python.thread.telemetry.exporter",)
_CAP: Final = ("python.thread.telemetry.cap",)
_WHO: Final = (*SERVICE_COLUMNS, LabelColumn("Service", "job", width=110), LabelColumn("Instance", "instance"))
_EACH_CAP: Final = "{{job}} {{instance}} {{python_thread_telemetry_cap}}"


def instances() -> stat.Panel:
    """Instances up, down and gone. None of them is 0 for want of data."""
    on = f"({', '.join(INSTANCE)})"
    series = _SELECTED.now("python.thread.telemetry.instrumented")
    seen = f"count by {on} (count_over_time({series}[{WHOLE_RANGE}]))"
    now = f"count by {on} ({series})"
    down = is_down()
    panel = number(
        "Instances",
        "Instances that are up; that Prometheus knows and cannot scrape; and that were there during the time shown "
        "and are not there any more, as after a new release.",
        COUNT,
        query(f"count({now}) or 0 * count({seen})", "up").instant(),
        query(f"count({down}) or 0 * count({seen})", "down").instant(),
        query(f"count({seen} unless {now} unless {down}) or 0 * count({seen})", "gone").instant(),
    )
    for name, colour in (("down", "red"), ("gone", "yellow")):
        steps = [{"value": None, "color": "text"}, {"value": 1, "color": colour}]
        limits = DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps})
        panel = panel.override_by_name(name, [limits])
    return panel


def coverage_panels() -> list[AnyPanel]:
    return [_gaps(), _dropped_events(), _internal_errors(), _exporters(), _caps_reached()]


def _gaps() -> AnyPanel:
    return rows(
        "Coverage, by instance",
        "Gaps of each instance: locks made before the observation began, and modules that had taken the "
        "interpreter's own primitives by then. `python -m thread run` begins before all of them. Also files of "
        "other processes that cannot be read.",
        [
            *_WHO,
            LabelColumn("Version", "version", width=80),
            LabelColumn("Core", "core", width=60),
            LabelColumn("Python", "python", width=75),
        ],
        [
            ValueColumn("Processes", _recorders(), COUNT),
            ValueColumn("Child processes", _each("child.processes"), COUNT, width=120),
            ValueColumn("Unobserved locks", _each("unobserved.locks"), COUNT, width=145),
            ValueColumn("Unobserved modules", _each("unobserved.modules"), COUNT, width=168),
            ValueColumn("Unreadable files", _each("unreadable.files"), COUNT, width=135),
            ValueColumn("Instrumented", _instrumented(), COUNT, words=YES_OR_NO, width=105),
        ],
        height=8,
    )


def _dropped_events() -> AnyPanel:
    return lines(
        "Dropped events, by instance",
        "Events a second that were lost because a buffer was full or an exporter failed: evidence of slow waits, "
        "spans of threads, exceptions. No count, time or histogram on these dashboards misses anything by it.",
        PER_SECOND,
        query(total(_SELECTED.rate("python.thread.telemetry.dropped"), *INSTANCE), EACH_INSTANCE),
        limit=1,
    )


def _internal_errors() -> AnyPanel:
    return lines(
        "Internal errors, by instance",
        "Errors a second inside the telemetry itself, those of exporters included. The first of each kind is in "
        "the log of the service.",
        PER_SECOND,
        query(total(_SELECTED.rate("python.thread.telemetry.faults"), *INSTANCE), EACH_INSTANCE),
    )


def _exporters() -> AnyPanel:
    last = _SELECTED.now("python.thread.telemetry.export.last.timestamp")
    return rows(
        "Exporters, by instance",
        "Exports that succeeded and calls that failed during the time shown, and the age of the last success.",
        [*_WHO, LabelColumn("Exporter", *_EXPORTER, width=160)],
        [
            ValueColumn("Failures", total(_growth("export.failures"), *INSTANCE, *_EXPORTER), COUNT, width=80),
            ValueColumn("Exports", total(_growth("exports"), *INSTANCE, *_EXPORTER), COUNT, width=80),
            ValueColumn(
                "Last success", f"time() - {aggregate('min', last, *INSTANCE, *_EXPORTER)}", SECONDS, width=105
            ),
        ],
        span=HALF_WIDTH,
        height=8,
    )


def _caps_reached() -> AnyPanel:
    return lines(
        "Caps reached, by instance",
        "1 where there are more of this kind than are told apart. The rest is counted under `other`.",
        COUNT,
        query(total(_SELECTED.now("python.thread.telemetry.capped"), *INSTANCE, *_CAP), _EACH_CAP),
        long_names=True,
    )


def _each(name: str) -> str:
    return aggregate("max", _SELECTED.now(f"python.thread.telemetry.{name}"), *INSTANCE)


def _growth(name: str) -> str:
    return _SELECTED.growth(f"python.thread.telemetry.{name}")


def _instrumented() -> str:
    return aggregate("min", _SELECTED.now("python.thread.telemetry.instrumented"), *INSTANCE)


def _recorders() -> str:
    return total(_SELECTED.now("python.thread.telemetry.info"), *INSTANCE, "version", "core", "python")
