"""What the reader of a dashboard chooses: where the data is, which services and instances, which lock."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableHide, VariableOption, VariableRefresh, VariableSort

from ._promql import ALWAYS_THERE, Selection, label, prometheus_name

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")

_ALWAYS_THERE: Final = prometheus_name(ALWAYS_THERE)
_ALL: Final = VariableOption(selected=True, text=["All"], value=["$__all"])


def datasource() -> DatasourceVariable:
    return DatasourceVariable("datasource").label("Data source").hide(VariableHide.DONT_HIDE).type("prometheus")


def job() -> QueryVariable:
    return _several("job", f"label_values({_ALWAYS_THERE}, job)").description("The services to look at.")


def instance() -> QueryVariable:
    query = f'label_values({_ALWAYS_THERE}{{job=~"$job"}}, instance)'
    return _several("instance", query).description("The instances of these services.")


def lock() -> QueryVariable:
    contended = Selection().of("python.lock.wait.duration", "count")
    description = "One lock of those that were ever waited for."
    return _query("lock", f"label_values({contended}, {label('python.lock.name')})").description(description)


def _several(name: str, query: str) -> QueryVariable:
    return _query(name, query).multi(True).include_all(True).all_value(".+").current(_ALL)


def _query(name: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(name.capitalize())
        .hide(VariableHide.DONT_HIDE)
        .datasource(DATASOURCE)
        .query(query)
        .definition(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )
