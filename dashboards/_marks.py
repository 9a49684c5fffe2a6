"""Marks in all graphs of a dashboard: alerts that fire, and instances that begin."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery

from ._alerts import firing
from ._promql import INSTANCE, RECENTLY, Selection
from ._variables import DATASOURCE


def marks() -> list[AnnotationQuery]:
    return [
        _mark("Alerts", "red", firing(), "{{alertname}}"),
        _mark("Starts", "blue", _starts(), "instance began or was restarted"),
    ]


def _starts() -> str:
    selected = Selection()
    by = f"by ({', '.join(INSTANCE)})"
    restarted = f"max {by} (resets({selected.of('python.lock.acquisitions')}[{RECENTLY}])) > 0"
    there = selected.now("python.thread.telemetry.instrumented")
    # A scrape that failed does not make a start.
    now, before = (f"count {by} (count_over_time({there}[{RECENTLY}]{each}))" for each in ("", f" offset {RECENTLY}"))
    return f"{restarted} or ({now} unless {before})"


def _mark(name: str, colour: str, expression: str, title: str) -> AnnotationQuery:
    mark = AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(colour).expr(expression)
    return mark.title_format(title).text_format("{{job}} {{instance}}").step("30s")
