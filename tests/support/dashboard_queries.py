"""Queries of the committed dashboards, as Grafana would send them to Prometheus."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent.parent / "dashboards"

FROM_PROMETHEUS = ("ALERTS", "ALERTS_FOR_STATE", "up")
"""Series that Prometheus makes itself, of what it scrapes and of the rules that it evaluates."""

VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{(\w+)(?::\w+)?\})")


@dataclass(frozen=True)
class DashboardQuery:
    """An expression of a panel."""

    dashboard: str
    panel: str
    expression: str
    instant: bool = False

    def __str__(self) -> str:
        return f"{self.dashboard}, panel {self.panel!r}: {self.expression}"


@cache
def dashboards() -> dict[str, Any]:
    """Return the committed dashboards by file name, as parsed JSON that must not be changed."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels with data, including those in collapsed rows."""
    every = [panel for outer in dashboard["panels"] for panel in (outer, *outer.get("panels", ()))]
    return [panel for panel in every if panel["type"] not in ("row", "text")]


def written_queries() -> list[DashboardQuery]:
    """Yield the expressions as written, with Grafana's variables."""
    return [
        DashboardQuery(name, panel["title"], target["expr"], bool(target.get("instant")))
        for name, dashboard in dashboards().items()
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def dashboard_queries(
    lock: str = ".+",
    *,
    cluster: str = ".*",
    namespace: str = ".*",
    job: str = ".+",
    instance: str = ".+",
    rate_interval: str = "1m",
    time_range: str = "5m",
) -> list[DashboardQuery]:
    """The expressions, with Grafana's variables replaced by values that a real Prometheus understands.

    `lock` is the name of the one lock that the dashboard of locks shows. Raises KeyError for a variable that is not
    known here.
    """
    values = {
        "cluster": cluster,
        "namespace": namespace,
        "job": job,
        "instance": instance,
        "lock": lock.replace("\\", r"\\").replace('"', r"\""),
        "__rate_interval": rate_interval,
        "__range": time_range,
        "__range_s": str(int(time_range[:-1]) * {"s": 1, "m": 60}[time_range[-1]]),
    }
    return [
        DashboardQuery(
            written.dashboard,
            written.panel,
            VARIABLE.sub(lambda found: values[found[1] or found[2]], written.expression),
            written.instant,
        )
        for written in written_queries()
    ]
