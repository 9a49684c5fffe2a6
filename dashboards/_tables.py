"""Tables: one row for each combination of labels, one column for each label and each query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, ValueMapping
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from ._links import Link
from ._panels import FULL_WIDTH, NUMBER, query, with_reference_ids
from ._promql import label
from ._variables import DATASOURCE


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """A column with the values of a label."""

    title: str
    label: str
    link: Link | None = None

    def properties(self) -> list[DynamicConfigValue]:
        """What sets this column apart from the others."""
        return [DynamicConfigValue("links", [self.link.plain()])] if self.link else []


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """A column with what a query yields, now or for all of the time that is shown."""

    title: str
    expression: str
    unit: str
    gauge: bool = False
    words: Sequence[ValueMapping] = ()

    def properties(self) -> list[DynamicConfigValue]:
        """What sets this column apart from the others."""
        properties = [DynamicConfigValue("unit", self.unit)]
        if self.unit == NUMBER:
            properties += [DynamicConfigValue("decimals", 0)]
        if self.gauge:
            cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
            properties += [DynamicConfigValue("custom.cellOptions", cell), DynamicConfigValue("min", 0)]
            properties += [DynamicConfigValue("color", {"mode": "continuous-GrYlRd"})]
        if self.words:
            properties += [DynamicConfigValue("mappings", list(self.words))]
        return properties


def rows(
    title: str,
    description: str,
    labels: Sequence[LabelColumn],
    values: Sequence[ValueColumn],
    *,
    span: int = FULL_WIDTH,
    height: int = 9,
) -> table.Panel:
    """The greatest of the first value come first. All queries have the labels in common, by which they are merged."""
    panel = table.Panel().title(title).description(description).datasource(DATASOURCE).span(span).height(height)
    queries = with_reference_ids([query(each.expression).instant().format(PromQueryFormat.TABLE) for each in values])
    panel = panel.targets(list(queries)).unit(values[0].unit).no_value("–").filterable(True).show_header(True)
    names = {label(each.label): each.title for each in labels}
    if len(values) == 1:
        names["Value"] = values[0].title
    else:
        names |= {f"Value #{chr(ord('A') + index)}": each.title for index, each in enumerate(values)}
        panel = panel.with_transformation(DataTransformerConfig("merge", options={}))
    order = {name: index for index, name in enumerate(names)}
    arranged = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
    panel = panel.with_transformation(DataTransformerConfig("organize", options=arranged))
    columns: list[LabelColumn | ValueColumn] = [*labels, *values]
    for column in columns:
        if properties := column.properties():
            panel = panel.override_by_name(column.title, properties)
    return panel.sort_by([common.TableSortByFieldState().display_name(values[0].title).desc(True)])
