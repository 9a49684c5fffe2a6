"""Tables: one row for each combination of labels, one column for each label and each query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, ValueMapping
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from ._links import Link
from ._panels import DECIMALS, FULL_WIDTH, query, with_reference_ids
from ._promql import label
from ._variables import DATASOURCE

NARROW: Final = 92
"""Pixels of a column with a number."""


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """A column with the values of a label. Without a width it shares what the others leave."""

    title: str
    label: str
    link: Link | None = None
    width: int | None = None

    def properties(self) -> list[DynamicConfigValue]:
        """Settings of this column alone."""
        # The place of this setting moved in Grafana 12. Before 10.4 there is none, and long names are cut off.
        wrapped = {"type": "auto", "wrapText": True}
        properties = [DynamicConfigValue("custom.cellOptions", wrapped), DynamicConfigValue("custom.wrapText", True)]
        properties += [DynamicConfigValue("noValue", "–")]
        if self.link:
            properties += [DynamicConfigValue("links", [self.link.plain()])]
        if self.width:
            properties += [DynamicConfigValue("custom.width", self.width)]
        return properties


SERVICE_COLUMNS: Final = (LabelColumn("Cluster", "cluster"), LabelColumn("Namespace", "namespace"))
"""Columns that are not there where targets have no such labels."""


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """A column with the values of a query, at the end of the time shown."""

    title: str
    expression: str
    unit: str
    gauge: bool = False
    words: Sequence[ValueMapping] = ()
    width: int = NARROW

    def properties(self) -> list[DynamicConfigValue]:
        """Settings of this column alone."""
        width = max(self.width, 190) if self.gauge else self.width
        properties = [DynamicConfigValue("unit", self.unit), DynamicConfigValue("custom.width", width)]
        properties += [DynamicConfigValue("noValue", "–")]
        if self.unit in DECIMALS:
            properties += [DynamicConfigValue("decimals", DECIMALS[self.unit])]
        if self.gauge:
            cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
            properties += [DynamicConfigValue("custom.cellOptions", cell), DynamicConfigValue("min", 0)]
            # The bar ends at the greatest value of this column, not of all. Grafana before 10.4 knows the latter only.
            properties += [DynamicConfigValue("fieldMinMax", True)]
            # The longest bar is no fault by itself, so it has no colour of alarm.
            properties += [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "blue"})]
        if self.words:
            properties += [DynamicConfigValue("mappings", list(self.words))]
            properties += [DynamicConfigValue("custom.cellOptions", {"type": "color-text"})]
        return properties


def rows(
    title: str,
    description: str,
    labels: Sequence[LabelColumn],
    values: Sequence[ValueColumn],
    *,
    span: int = FULL_WIDTH,
    height: int = 9,
    hidden: Sequence[str] = (),
    empty: str = "No data",
    ascending: bool = False,
    required: bool = False,
) -> table.Panel:
    """A table, sorted by its first value, the greatest first unless `ascending`.

    The queries are merged by the labels that they have in common. `hidden` expressions bring labels and no column of
    their own. With `required`, rows without the first value are left out. `empty` stands in place of no rows at all.
    """
    panel = table.Panel().title(title).description(description).datasource(DATASOURCE).span(span).height(height)
    expressions = [*(each.expression for each in values), *hidden]
    queries = with_reference_ids([query(each).instant().format(PromQueryFormat.TABLE) for each in expressions])
    panel = panel.targets(list(queries)).unit(values[0].unit).no_value(empty).filterable(True).show_header(True)
    names, unwanted = _columns(labels, values, len(hidden))
    if len(expressions) > 1:
        panel = panel.with_transformation(DataTransformerConfig("merge", options={}))
    if required:
        panel = panel.with_transformation(_without_first_value())
    order = {name: index for index, name in enumerate(names)}
    arranged = {"excludeByName": dict.fromkeys(unwanted, True), "indexByName": order, "renameByName": names}
    panel = panel.with_transformation(DataTransformerConfig("organize", options=arranged))
    columns: list[LabelColumn | ValueColumn] = [*labels, *values]
    for column in columns:
        panel = panel.override_by_name(column.title, column.properties())
    return panel.sort_by([common.TableSortByFieldState().display_name(values[0].title).desc(not ascending)])


def _columns(
    labels: Sequence[LabelColumn], values: Sequence[ValueColumn], hidden: int
) -> tuple[dict[str, str], list[str]]:
    """The titles of the columns by the names of their fields, in order, and the fields that are not shown."""
    if len(values) + hidden == 1:
        fields = ["Value"]
    else:
        fields = [f"Value #{letter}" for letter in ascii_uppercase[: len(values) + hidden]]
    names = {label(each.label): each.title for each in labels}
    names |= {field: each.title for field, each in zip(fields, values)}
    return names, ["Time", "alertstate", "severity", *fields[len(values) :]]


def _without_first_value() -> DataTransformerConfig:
    missing = {"fieldName": "Value #A", "config": {"id": "isNull", "options": {}}}
    return DataTransformerConfig("filterByValue", options={"filters": [missing], "type": "exclude", "match": "any"})
