"""The kinds of panels that the dashboards are made of, each with a title, a description and a unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import Threshold, ValueMapping
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

from ._links import Link
from ._variables import DATASOURCE

_Panel = TypeVar("_Panel", stat.Panel, timeseries.Panel, heatmap.Panel)

SECONDS: Final = "s"
SHARE: Final = "percentunit"
NUMBER: Final = "short"
PER_SECOND: Final = "cps"

FULL_WIDTH: Final = 24

EACH_INSTANCE: Final = "{{job}} {{instance}}"
"""The legend of what has a series for each instance."""


def query(expression: str, legend: str = "") -> prometheus.Dataquery:
    """A query over the time that the dashboard shows, its series named by labels: `{{instance}}`."""
    return (
        prometheus.Dataquery()
        .datasource(DATASOURCE)
        .editor_mode(QueryEditorMode.CODE)
        .expr(expression)
        .legend_format(legend)
        .range()
    )


def with_reference_ids(queries: Sequence[prometheus.Dataquery]) -> list[prometheus.Dataquery]:
    """The queries of one panel, called A, B, C …"""
    return [each.ref_id(letter) for each, letter in zip(queries, ascii_uppercase)]


def number(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    limits: tuple[float, float] | None = None,
    words: Sequence[ValueMapping] = (),
) -> stat.Panel:
    """One number, that of the end of the time shown: yellow and red from its limits on, or words in its place."""
    asked = query(expression).instant().ref_id("A")
    panel = _described(stat.Panel, title, description, unit).span(4).height(4).with_target(asked)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    panel = panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.NONE).thresholds(_limits(limits))
    panel = panel.no_value("no data").min(0)
    if unit == NUMBER:
        panel = panel.decimals(0)
    return panel.mappings(list(words)) if words else panel


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: prometheus.Dataquery,
    span: int = FULL_WIDTH // 2,
    stacked: bool = False,
    bars: bool = False,
    most: float | None = None,
    links: Sequence[Link] = (),
) -> timeseries.Panel:
    """Values over time. `most` is as high as the axis goes for certain."""
    panel = _described(timeseries.Panel, title, description, unit).span(span).height(8)
    panel = panel.targets(list(with_reference_ids(queries))).min(0)
    panel = panel.line_width(1).fill_opacity(70 if bars else 30 if stacked else 8).show_points(VisibilityMode.AUTO)
    panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL if stacked or bars else StackingMode.NONE))
    panel = panel.draw_style(GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE)
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.BOTTOM)
    panel = panel.legend(legend.show_legend(True).calcs(["max", "lastNotNull"]))
    panel = panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    if most is not None:
        panel = panel.max(most)
    return panel.data_links([link.builder() for link in links]) if links else panel


def durations(
    title: str, description: str, buckets: prometheus.Dataquery, *, span: int = FULL_WIDTH // 2
) -> heatmap.Panel:
    """How many of what took how long, over time: a histogram on its side for every moment."""
    panel = _described(heatmap.Panel, title, description, NUMBER).span(span).height(9)
    panel = panel.with_target(buckets.format(PromQueryFormat.HEATMAP).legend_format("{{le}}").ref_id("A"))
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").fill("dark-orange")
    colours = colours.scale(HeatmapColorScale.EXPONENTIAL).exponent(0.5).steps(64).reverse(False)
    panel = panel.calculate(False).color(colours).cell_gap(1).show_value(VisibilityMode.NEVER).show_legend()
    panel = panel.y_axis(heatmap.YAxisConfig().unit(SECONDS)).filter_values(heatmap.FilterValueRange().le(1e-9))
    tooltip = heatmap.HeatmapTooltip().mode(TooltipDisplayMode.SINGLE).y_histogram(True).show_color_scale(False)
    return panel.tooltip(tooltip).exemplars_color("rgba(87,148,242,0.9)")


def _described(kind: Callable[[], _Panel], title: str, description: str, unit: str) -> _Panel:
    return kind().title(title).description(description).datasource(DATASOURCE).unit(unit)


def _limits(limits: tuple[float, float] | None) -> dashboard.ThresholdsConfig:
    steps = [Threshold(None, "green" if limits else "text")]
    if limits:
        steps += [Threshold(limits[0], "yellow"), Threshold(limits[1], "red")]
    return dashboard.ThresholdsConfig().steps(steps)
