"""The common part of all dashboards, and their JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import dashboard, heatmap, stat, table, text, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, Panel, RowPanel

from ._links import TAG, to_all_dashboards, to_runbook
from ._marks import marks
from ._variables import datasource, where

AnyPanel: TypeAlias = stat.Panel | timeseries.Panel | heatmap.Panel | table.Panel | text.Panel

SCHEMA_VERSION: Final = 38
"""Version of Grafana 10.0. Later releases upgrade a dashboard as they load it; earlier ones cannot read a newer one."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading. A collapsed row asks nothing until it is opened; one without heading has no line."""

    heading: str
    panels: Sequence[AnyPanel]
    collapsed: bool = False


def board(
    uid: str, title: str, description: str, rows: Sequence[Row], *more_variables: dashboard.QueryVariable
) -> dashboard.Dashboard:
    """A dashboard with its panels in rows, each filled from left to right."""
    result = dashboard.Dashboard(title).uid(uid).description(description).tags([TAG]).readonly()
    result = result.time("now-1h", "now").refresh("30s").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    result = result.variables([datasource(), *where(), *more_variables])
    result = result.link(to_all_dashboards()).link(to_runbook())
    for mark in marks():
        result = result.annotation(mark)
    for row in rows:
        result = _with_row(result, row)
    return result


def _with_row(result: dashboard.Dashboard, row: Row) -> dashboard.Dashboard:
    if row.collapsed:
        heading = dashboard.Row(row.heading)
        for panel in row.panels:
            heading = heading.with_panel(panel)
        return result.with_row(heading)
    if row.heading:
        result = result.with_row(dashboard.Row(row.heading))
    for panel in row.panels:
        result = result.with_panel(panel)
    return result


def as_json(built: dashboard.Dashboard) -> str:
    """The text of the file that Grafana reads."""
    model = built.build()
    model.schema_version = SCHEMA_VERSION
    for number, panel in enumerate(_in_their_places(model.panels or ()), start=1):
        panel.id_val = number
    plain = json.loads(json.dumps(model, cls=JSONEncoder), object_hook=_without_placement)
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _in_their_places(panels: Sequence[Panel | RowPanel]) -> Iterator[Panel | RowPanel]:
    """All panels, with those below a collapsed row moved up: the builder leaves room for what is in it."""
    moved = 0
    for outer in panels:
        inside = outer.panels if isinstance(outer, RowPanel) else []
        for panel in (outer, *inside):
            assert panel.grid_pos is not None
            panel.grid_pos.y -= moved
            yield panel
        rows = {each.grid_pos.y: each.grid_pos.h for each in inside if each.grid_pos}
        moved += sum(rows.values())


def _without_placement(node: dict[str, object]) -> dict[str, object]:
    # The builder puts links and annotations into a menu that Grafana 12 brought. Places of legends stay.
    menus = ("", "inControlsMenu")
    return {key: value for key, value in node.items() if key != "placement" or value not in menus}
