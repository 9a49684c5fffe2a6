"""What all dashboards have in common, and how they become JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import dashboard, heatmap, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

from ._links import TAG, to_all_dashboards
from ._variables import datasource, instance, job

AnyPanel: TypeAlias = stat.Panel | timeseries.Panel | heatmap.Panel | table.Panel

SCHEMA_VERSION: Final = 38
"""That of Grafana 10.0. Later ones bring a dashboard up to theirs when they load it; earlier ones cannot go back."""


def board(
    uid: str,
    title: str,
    description: str,
    rows: Mapping[str, Sequence[AnyPanel]],
    *more_variables: dashboard.QueryVariable,
) -> dashboard.Dashboard:
    """A dashboard with its panels under the titles of their rows. Panels fill each row from left to right."""
    result = dashboard.Dashboard(title).uid(uid).description(description).tags([TAG]).readonly()
    result = result.time("now-1h", "now").refresh("30s").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    result = result.variables([datasource(), job(), instance(), *more_variables]).link(to_all_dashboards())
    for heading, panels in rows.items():
        result = result.with_row(dashboard.Row(heading))
        for panel in panels:
            result = result.with_panel(panel)
    return result


def as_json(built: dashboard.Dashboard) -> str:
    """The text of the file that Grafana reads."""
    model = built.build()
    model.schema_version = SCHEMA_VERSION
    for number, panel in enumerate(model.panels or (), start=1):
        panel.id_val = number
    plain = json.loads(json.dumps(model, cls=JSONEncoder), object_hook=_without_unset_placement)
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _without_unset_placement(node: dict[str, object]) -> dict[str, object]:
    # The builder puts links into a menu that Grafana 12 brought, and knows no way to leave it at their old place.
    return {key: value for key, value in node.items() if (key, value) != ("placement", "")}
