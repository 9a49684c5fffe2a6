"""The kinds of panels on the dashboards, each with a title, a description and a unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
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
COUNT: Final = "locale"
"""Whole things, with all their digits."""
AVERAGE: Final = "short"
"""Threads that wait, on average."""
PER_SECOND: Final = "cps"
PER_MINUTE: Final = "cpm"

DECIMALS: Final = {COUNT: 0, AVERAGE: 2}
"""For numbers that stand alone; axes find their own."""
LEAST_AXIS: Final = {SHARE: 0.05, AVERAGE: 1.0, COUNT: 1.0, PER_SECOND: 1.0, PER_MINUTE: 1.0}
"""Axes go at least as far, so that noise does not look like a mountain."""

FULL_WIDTH: Final = 24

HALF_WIDTH: Final = 12
"""From this width on there is room for a legend beside the graph, with more than one number."""

EACH_INSTANCE: Final = "{{job}} {{instance}}"
"""The legend of panels with a series for each instance."""


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
    *queries: prometheus.Dataquery,
    span: int = 4,
    limits: tuple[float, float] | None = None,
    words: Sequence[ValueMapping] = (),
) -> stat.Panel:
    """One number, or a few with their names: yellow and red from its limits on, or words for numbers.

    A query over time brings a line behind the number; an instant one does not.
    """
    panel = _described(stat.Panel, title, description, unit).span(span).height(5)
    panel = panel.targets(list(with_reference_ids(queries)))
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    over_time = any(each.build().range_val for each in queries)
    graph = BigValueGraphMode.AREA if over_time else BigValueGraphMode.NONE
    panel = panel.color_mode(BigValueColorMode.VALUE).graph_mode(graph).thresholds(_limits(limits))
    panel = panel.no_value("–").min(0)
    if unit in DECIMALS:
        panel = panel.decimals(DECIMALS[unit])
    return panel.mappings(list(words)) if words else panel


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: prometheus.Dataquery,
    span: int = HALF_WIDTH,
    height: int = 8,
    stacked: bool = False,
    bars: bool = False,
    most: float | None = None,
    limit: float | None = None,
    links: Sequence[Link] = (),
    long_names: bool = False,
    empty: str = "No data",
) -> timeseries.Panel:
    """Values over time. `most` is the end of the axis, `limit` a red line, `empty` stands in place of no series.

    Legends with `long_names`, of locks or targets, are below the graph unless that is as wide as the page.
    """
    panel = _described(timeseries.Panel, title, description, unit).span(span).height(height)
    panel = panel.targets(list(with_reference_ids(queries))).min(0).no_value(empty)
    panel = panel.line_width(1).fill_opacity(70 if bars else 30 if stacked else 0).show_points(VisibilityMode.AUTO)
    panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL if stacked or bars else StackingMode.NONE))
    panel = panel.draw_style(GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE).legend(_legend(span, long_names))
    panel = panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    if unit in LEAST_AXIS and most is None:
        panel = panel.axis_soft_max(LEAST_AXIS[unit])
    if most is not None:
        panel = panel.max(most)
    if limit is not None:
        line = dashboard.ThresholdsConfig().steps([Threshold(None, "transparent"), Threshold(limit, "red")])
        dashed = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(line).thresholds_style(dashed)
    return panel.data_links([link.builder() for link in links]) if links else panel


def _legend(span: int, long_names: bool) -> common.VizLegendOptions:
    """The greatest first: a bottom legend shows three rows, and the guilty one has to be among them."""
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE).show_legend(True)
    legend = legend.sort_by("Max").sort_desc(True)
    beside = span == FULL_WIDTH or (span == HALF_WIDTH and not long_names)
    legend = legend.placement(LegendPlacement.RIGHT if beside else LegendPlacement.BOTTOM)
    return legend.calcs(["max"] if span < HALF_WIDTH else ["max", "lastNotNull"])


def durations(
    title: str, description: str, buckets: prometheus.Dataquery, *, span: int = FULL_WIDTH // 2
) -> heatmap.Panel:
    """A histogram on its side for every moment."""
    panel = _described(heatmap.Panel, title, description, AVERAGE).span(span).height(9)
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
    # No value is below all limits, and must not be green.
    steps = [Threshold(None, "text")]
    if limits:
        steps += [Threshold(0, "green"), Threshold(limits[0], "yellow"), Threshold(limits[1], "red")]
    return dashboard.ThresholdsConfig().steps(steps)
