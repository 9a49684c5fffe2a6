"""The choices of a dashboard's reader: data source, cluster, namespace, service, instance, lock."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableHide, VariableOption, VariableRefresh, VariableSort

from ._promql import ALWAYS_THERE, INSTANCE, Selection, label, prometheus_name

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")

_ALWAYS_THERE: Final = prometheus_name(ALWAYS_THERE)
_ALL: Final = VariableOption(selected=True, text=["All"], value=["$__all"])


def datasource() -> DatasourceVariable:
    return DatasourceVariable("datasource").label("Data source").hide(VariableHide.DONT_HIDE).type("prometheus")


def where() -> list[QueryVariable]:
    """Cluster, namespace, job and instance, each among those of the choices before it."""
    chosen = [f'{name}=~"${name}"' for name in INSTANCE]
    return [
        _several(name, f"label_values({_ALWAYS_THERE}{{{', '.join(chosen[:place])}}}, {name})").description(what)
        for place, (name, what) in enumerate(zip(INSTANCE, _DESCRIPTIONS, strict=True))
    ]


def lock() -> QueryVariable:
    """Locks that somebody waited for, the one that cost the most first."""
    name = label("python.lock.name")
    selected = Selection()
    ended = f"sum by ({name}) ({selected.increase('python.lock.wait.duration', 'sum')})"
    lasting = f"sum by ({name}) ({selected.now('python.lock.wait.oldest')})"
    query = f"query_result(sort_desc(topk(200, {ended} + {lasting})))"
    variable = _query("lock", query).regex(f'/{name}="(.*)"\\}} /').sort(VariableSort.DISABLED)
    return variable.description("A lock; the one that was waited for most comes first.")


_DESCRIPTIONS: Final = (
    "The clusters to look at, where targets have a label for it.",
    "The namespaces to look at, where targets have a label for it.",
    "The services to look at.",
    "The instances of these services.",
)


def _several(name: str, query: str) -> QueryVariable:
    # A label that is missing matches `.*` as well.
    every = ".*" if name in ("cluster", "namespace") else ".+"
    return _query(name, query).multi(True).include_all(True).all_value(every).current(_ALL)


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
