"""What the panels of the dashboards ask Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from compose_file import DASHBOARDS


class PanelQuery(NamedTuple):
    dashboard: str
    panel: str
    expression: str
    """With the variables of Grafana in it."""


def panel_queries() -> Iterator[PanelQuery]:
    """Every expression of every panel, those in collapsed rows included."""
    for file in sorted(DASHBOARDS.glob("*.json")):
        for panel in _panels(json.loads(file.read_text())):
            for target in panel.get("targets", []):
                yield PanelQuery(file.stem, panel["title"], target["expr"])


def _panels(owner: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in owner.get("panels", []):
        yield panel
        yield from _panels(panel)
